import importlib.util
import tempfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from factories import firing_network, random_inputs
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import deploy
from deploy.backends.lava.batches import SpikeStore, batches
from deploy.backends.lava.job import Job
from deploy.ir import CubaLIF, Graph, Incoming, Layer, MatrixConnection
from dpap import LIF, InputError


def assert_equal_spikes(graph, inputs, silent=()):
    """Lava's spikes are the fast backend's, and layers do fire, so that the comparison says something."""
    fast = deploy.run(graph, inputs, backend="fast")
    lava = deploy.run(graph, inputs, backend="lava")
    assert lava.backend == "lava"
    assert list(lava.kept) == list(fast.kept)
    for name, expected in fast.kept.items():
        actual = lava.kept[name]
        assert actual.dtype == np.uint8
        assert actual.shape == expected.shape
        if name not in silent:
            assert 0 < expected.mean() < 1
        assert np.array_equal(actual, expected), name
    return lava


@pytest.mark.parametrize(
    ("notation", "input_shape", "time_steps", "input_max", "samples"),
    [
        ("4C3-AP2-6C3-AP2-12FC-5FC", (1, 8, 8), 6, 16, 3),
        # Windows that do not divide their source, and channels that differ.
        ("3C3-AP2-4C3-AP2-5FC", (2, 7, 9), 6, 1, 3),
        # A pool right at the input, of graded values.
        ("AP3-4C5-6FC", (1, 7, 8), 4, 300, 2),
        ("8FC-5FC", (9,), 6, 1, 4),
        # A sample is a single step: states are reset at every one.
        ("4C3-AP2-6FC-5FC", (1, 4, 4), 1, 1, 12),
        ("5FC", (9,), 3, 16, 1),
    ],
)
def test_spikes_equal_the_fast_backend(notation, input_shape, time_steps, input_max, samples):
    network = firing_network(notation, input_shape, time_steps, input_max=input_max)
    assert_equal_spikes(deploy.compile(network), random_inputs(network, samples))


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_neurons_with_slow_currents_and_leaks(decay):
    neuron = LIF(current_decay=decay, voltage_decay=decay, threshold=0.7)
    network = firing_network("8FC-6FC-5FC", (9,), 7, gain=1.5, neuron=neuron)
    for block in network.synaptic_blocks():
        # As much inhibition as excitation, so that layers neither fall silent nor saturate.
        block.weight.data -= 0.9 * block.weight.data.mean()
    assert_equal_spikes(deploy.compile(network), random_inputs(network, 5))


def test_pruned_channels_and_a_layer_without_synapses():
    network = firing_network("4C3-AP2-6C3-AP2-12FC-5FC", (1, 8, 8), 6)
    network.layers["conv1"].mask[2] = 0
    network.layers["conv2"].mask[:, 1] = 0
    network.layers["conv2"].mask[4] = 0
    network.layers["fc1"].mask[[0, 7]] = 0
    graph = deploy.compile(network)
    assert [len(layer.kept) for layer in graph.layers] == [2, 5, 10, 5]
    inputs = random_inputs(network, 3)
    recording = assert_equal_spikes(graph, inputs)
    assert recording.spikes["conv1"].shape == (3, 6, 4, 8, 8)
    network.layers["fc1"].mask[:] = 0
    graph = deploy.compile(network)
    assert graph["fc1"].stored_weights == 0
    # Cut off: what stays keeps the pipeline in one piece, and may be silent.
    assert_equal_spikes(graph, inputs, silent=[layer.name for layer in graph.layers])


def test_extreme_weights_survive_unchanged():
    # Rows of one sign, and sums that only hold in more than 16 bits; thresholds that the sums just reach, and
    # just exceed.
    weights = np.array([[-254] * 130, [254] * 130, [254, -254] * 65, [2] * 130, [-2] * 130], np.int16)
    output = np.eye(5, dtype=np.int16) * 254
    graph = Graph(
        input_shape=(130,),
        input_max=3,
        time_steps=4,
        layers=(
            wide_layer("fc1", "input", weights, threshold=3 * 130 * 2 - 1),
            wide_layer("fc2", "fc1", output, threshold=253),
        ),
    )
    inputs = np.full((2, 4, 130), 3)
    inputs[1, :, 0] = 0
    recording = assert_equal_spikes(graph, inputs)
    fired = recording.output.any(1)
    assert fired.tolist() == [[0, 1, 0, 1, 0], [0, 1, 0, 0, 0]]


def test_layers_that_share_a_source():
    network = firing_network("6FC-6FC-4FC", (7,), 5)
    graph = deploy.compile(network)
    fc1, fc2, fc3 = graph.layers
    # fc3 lags two steps behind the input, like fc2, although it comes third.
    forked = replace(graph, layers=(fc1, fc2, replace(fc3, inputs=(replace(fc3.inputs[0], source="fc1"),))))
    assert_equal_spikes(forked, random_inputs(network, 4))


def test_nothing_is_printed_and_progress_is_reported(capfd):
    network = firing_network("6FC-5FC", (9,), 8)
    reports = []
    recording = deploy.run(
        deploy.compile(network),
        random_inputs(network, 100),
        backend="lava",
        progress=lambda done, total: reports.append((done, total)),
    )
    assert capfd.readouterr() == ("", "")
    assert reports == sorted(set(reports))
    assert len(reports) > 1
    assert reports[-1] == (100, 100)
    assert recording.seconds > 0


@pytest.mark.parametrize(
    ("memory_bytes", "expected"),
    [
        # A sample takes 2 x 8 steps x (9 inputs + 6 + 5 neurons) = 320 bytes; of 2-byte inputs 464.
        (1, [1] * 11),
        (3 * 320 + 319, [3, 3, 3, 2]),
        (1 << 30, [11]),
    ],
)
def test_batches_are_cut_by_the_limit(memory_bytes, expected):
    network = firing_network("6FC-5FC", (9,), 8)
    graph, inputs = deploy.compile(network), random_inputs(network, 11).astype(np.uint8)
    cut = batches(graph, inputs, {"fc1", "fc2"}, memory_bytes)
    assert [len(inputs[batch]) for batch in cut] == expected
    assert len(batches(graph, inputs.astype(np.uint16), {"fc1", "fc2"}, 11 * 464 - 1)) == 2
    # Without the six neurons of fc1 a sample takes 224.
    assert len(batches(graph, inputs, {"fc2"}, 11 * 224)) == 1


@given(cuts=st.sets(st.integers(1, 19), max_size=5), seed=st.integers(0, 9))
def test_spikes_gathered_in_batches_of_any_size(cuts, seed):
    network = firing_network("6FC-5FC", (9,), 3)
    graph = deploy.compile(network)
    spikes = np.random.default_rng(seed).integers(0, 2, (20, 3, 6), np.uint8)
    store = SpikeStore(graph, 20, {"fc1"})
    bounds = [0, *sorted(cuts), 20]
    for first, last in pairwise(bounds):
        store.add(first, {"fc1": spikes[first:last]})
    assert list(store.kept) == ["fc1"]
    assert np.array_equal(store.kept["fc1"], spikes)


def test_batches_change_nothing(monkeypatch):
    network = firing_network("6FC-5FC", (9,), 8)
    graph, inputs = deploy.compile(network), random_inputs(network, 5)
    sizes, folders, reports = [], [], []
    write = Job.write

    def write_and_note(folder, graph, inputs, recorded):
        # What an earlier batch took is gone.
        assert not any(earlier.exists() for earlier in folders)
        sizes.append(len(inputs))
        folders.append(folder)
        return write(folder, graph, inputs, recorded)

    monkeypatch.setattr(Job, "write", write_and_note)
    lava = deploy.run(
        graph,
        inputs,
        backend="lava",
        memory_bytes=3 * 320,
        progress=lambda done, total: reports.append((done, total)),
    )
    fast = deploy.run(graph, inputs)
    assert sizes == [3, 2]
    assert all(np.array_equal(lava.kept[name], fast.kept[name]) for name in fast.kept)
    assert reports == sorted(set(reports))
    assert reports[-1] == (5, 5)


def test_the_files_of_a_batch_stay_below_the_limit(monkeypatch, tmp_path):
    # 16 samples of 2 x 4 x (400 + 50 + 5) = 3640 bytes; the network's own files are smaller than one of them.
    network = firing_network("50FC-5FC", (400,), 4)
    for block in network.synaptic_blocks():
        block.mask[:, 8:] = 0
    graph, inputs = deploy.compile(network), random_inputs(network, 16)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sizes = []
    read = Job.read_spikes

    def read_and_weigh(job):
        sizes.append(sum(path.stat().st_size for path in job.folder.iterdir() if path.suffix == ".npy"))
        return read(job)

    monkeypatch.setattr(Job, "read_spikes", read_and_weigh)
    deploy.run(graph, inputs, backend="lava", memory_bytes=8 * 3640)
    assert len(sizes) == 2
    assert max(sizes) < 8 * 3640


@pytest.mark.parametrize(
    ("record", "expected"), [(["fc2"], ["fc2", "fc3"]), ((), ["fc3"]), (None, ["fc1", "fc2", "fc3"])]
)
def test_only_what_is_asked_for_is_recorded(record, expected):
    network = firing_network("7FC-6FC-5FC", (9,), 6)
    graph, inputs = deploy.compile(network), random_inputs(network, 3)
    lava = deploy.run(graph, inputs, backend="lava", record=record)
    fast = deploy.run(graph, inputs)
    assert list(lava.kept) == expected
    assert all(np.array_equal(lava.kept[name], fast.kept[name]) for name in expected)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"record": ["fc9"]}, "there is no layer fc9 to record; the layers are fc1"),
        ({"memory_bytes": 0}, "memory_bytes is 0; expected 1 or more"),
    ],
)
def test_wrong_options(options, part):
    network = firing_network("5FC", (9,), 4)
    with pytest.raises(InputError, match=part):
        deploy.run(deploy.compile(network), random_inputs(network, 1), backend="lava", **options)


def test_no_samples():
    network = firing_network("6FC-5FC", (9,), 4)
    recording = deploy.run(deploy.compile(network), random_inputs(network, 0), backend="lava")
    assert recording.kept["fc1"].shape == (0, 4, 6)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_time_limit_that_is_not_positive(limit):
    network = firing_network("5FC", (9,), 4)
    with pytest.raises(InputError, match="time_limit is"):
        deploy.run(deploy.compile(network), random_inputs(network, 1), backend="lava", time_limit=limit)


def test_without_lava(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.startswith("lava") else find_spec(name)
    )
    network = firing_network("5FC", (9,), 4)
    with pytest.raises(deploy.BackendUnavailable, match=r"install lava-nc.*'fast'"):
        deploy.run(deploy.compile(network), random_inputs(network, 1), backend="lava")


def wide_layer(name, source, weights, threshold):
    return Layer(
        name=name,
        shape=(len(weights),),
        kept=np.arange(len(weights), dtype=np.int32),
        without_fan_out=np.zeros(0, np.int32),
        neuron=CubaLIF(current_decay=4096, voltage_decay=4096, threshold=threshold),
        inputs=(Incoming(source, MatrixConnection(sparse.csr_matrix(weights))),),
        scale=1.0,
    )
