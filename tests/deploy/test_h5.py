import h5py
import numpy as np
import pytest
import torch
from factories import firing_network, only_connection, random_inputs

import deploy
import dpap
from deploy.formats.seal import seal
from dpap.errors import InputError


@pytest.fixture
def messages():
    """A graph of sigma-delta units, of which some have biases."""
    network = firing_network(
        "4C3-MP2-6C3-Res(6C3-6C3)-MP2-5FC", (1, 8, 8), 4, input_max=16, gain=1, neuron=dpap.ReLU(), bias=True
    )
    return deploy.compile(network)


@pytest.fixture
def graph():
    network = firing_network("4C3-AP2-6C3-AP4-6C3-12FC-5FC", (1, 8, 8), 4, input_max=16)
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < 0.4] = 0
    return deploy.compile(network)


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


def test_a_round_trip_is_exact(graph, tmp_path):
    graph.save(tmp_path / "model.h5")
    loaded = deploy.load(tmp_path / "model.h5")
    assert (loaded.input_shape, loaded.input_max, loaded.time_steps) == ((1, 8, 8), 16, 4)
    assert loaded.description == graph.description
    kinds = set()
    for ours, theirs in zip(graph.layers, loaded.layers, strict=True):
        for field in ("name", "sources", "shape", "kept", "without_fan_out", "neuron", "scale", "bias"):
            assert same(getattr(ours, field), getattr(theirs, field)), (ours.name, field)
        a, b = only_connection(ours), only_connection(theirs)
        assert type(a) is type(b)
        kinds.add(type(a).__name__)
        assert a.pool == b.pool
        if hasattr(a, "kernels"):
            assert all(
                same(getattr(a, f), getattr(b, f))
                for f in ("kernels", "indptr", "indices", "inputs", "geometry")
            )
        else:
            assert (a.matrix != b.matrix).nnz == 0
            assert a.matrix.dtype == b.matrix.dtype == np.int16
    assert kinds == {"ConvConnection", "MatrixConnection"}
    inputs = random_inputs(graph, 6)
    assert np.array_equal(deploy.run(graph, inputs).output, deploy.run(loaded, inputs).output)


def test_saving_leaves_one_file(graph, tmp_path):
    graph.save(tmp_path / "model.h5")
    graph.save(tmp_path / "model.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["model.h5"]


def test_a_folder_that_does_not_exist(graph, tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*model\.h5"):
        graph.save(tmp_path / "none" / "model.h5")


def test_a_missing_file(tmp_path):
    with pytest.raises(deploy.FormatError, match="no such file"):
        deploy.load(tmp_path / "none.h5")


def test_foreign_files(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"some text")
    with pytest.raises(deploy.FormatError, match="not a model file"):
        deploy.load(path)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(deploy.FormatError, match="not a model file of this program"):
        deploy.load(path)
    seal(path)
    with pytest.raises(deploy.FormatError, match="not a model of this program"):
        deploy.load(path)


def test_every_truncation_is_refused(graph, tmp_path):
    path = tmp_path / "model.h5"
    graph.save(path)
    data = path.read_bytes()
    for length in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(deploy.FormatError):
            deploy.load(path)


def set_attribute(place, name, value):
    def change(file):
        file[place].attrs[name] = value

    return change


def set_array(place, index, value):
    def change(file):
        data = file[place][()]
        data[index] = value
        # Written anew, so that the checksum fits and the value itself has to be caught.
        del file[place]
        file[place] = data

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_attribute("/", "schema", 1), "schema version 1; this program reads versions 2 to 4"),
        (set_attribute("/", "time_steps", 0), "time_steps is 0"),
        (set_attribute("/", "input_max", 1 << 20), "input_max is 1048576"),
        (set_attribute("/", "input_max", 60000), "a synaptic sum can reach .* 32-bit arithmetic holds"),
        (set_attribute("/layers/0", "observed_current", -1), "conv1: the observed current is -1"),
        (set_attribute("/layers/0", "observed_current", 1 << 17), "conv1: the observed current is 131072"),
        (set_attribute("/", "input_shape", [1, 8, 9]), "conv1 from input: a convolution to"),
        (set_attribute("/layers/0", "threshold", -5), "conv1: the threshold is -5"),
        (set_attribute("/layers/0", "voltage_decay", 5000), "conv1: voltage_decay is 5000"),
        (
            set_attribute("/layers/1/inputs/0", "source", "conv9"),
            "conv2 from conv9: its source does not come",
        ),
        (set_attribute("/layers/1", "name", "conv1"), "'conv1' appears twice"),
        (set_attribute("/layers/0/inputs/0", "encoding", "pickle"), "unknown encoding 'pickle'"),
        (set_attribute("/layers/3/inputs/0", "columns", 7), "fc1|index"),
        (set_attribute("/layers/0", "scale", float("nan")), "conv1: the scale is nan"),
        (set_attribute("/layers/1/inputs/0", "pool", 50), "conv2 from conv1: a pool of 50"),
        (set_attribute("/layers/1/inputs/0", "stride", [0, 1]), "conv2 from conv1: Geometry"),
        (set_attribute("/layers/1/inputs/0", "groups", 7), "conv2 from conv1: Geometry"),
        (set_array("/layers/0/inputs/0/kernels", (0, 0, 0), 3), "conv1 from input: a weight is not even"),
        (
            set_array("/layers/0/inputs/0/kernels", (0, 0, 0), 4000),
            r"conv1 from input: a weight .* within -256 to 254",
        ),
        (set_array("/layers/0/inputs/0/indices", 0, 9), "conv1 from input: an index is not within 1"),
        (set_array("/layers/0/inputs/0/indptr", -1, 99), "conv1 from input: the row pointers"),
        (set_array("/layers/0/kept", 0, -1), "conv1: kept is not ascending"),
        (lambda file: file.__delitem__("/layers/0/kept"), "damaged"),
        (lambda file: file.__delitem__("/layers/0"), "damaged"),
    ],
)
def test_wrong_fields_are_named(graph, tmp_path, change, message):
    path = tmp_path / "model.h5"
    graph.save(path)
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)
    with pytest.raises(deploy.FormatError, match=message):
        deploy.load(path)


def test_a_round_trip_of_sigma_delta_units_is_exact(messages, tmp_path):
    messages.save(tmp_path / "model.h5")
    loaded = deploy.load(tmp_path / "model.h5")
    assert loaded.encoder == messages.encoder and loaded.encoder.gain == 4
    kinds = [layer.neuron.kind for layer in loaded.layers]
    assert kinds == ["sigma-delta", "maximum", *["sigma-delta"] * 4, "maximum", "sigma-delta"]
    for ours, theirs in zip(messages.layers, loaded.layers, strict=True):
        assert ours.neuron == theirs.neuron
        assert same(ours.bias, theirs.bias)
    inputs = random_inputs(messages, 6)
    ours, theirs = deploy.run(messages, inputs), deploy.run(loaded, inputs)
    assert all(np.array_equal(ours.kept[name], theirs.kept[name]) for name in ours.kept)
    assert ours.output.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_attribute("/", "encoder_gain", 0), "the encoder's gain is 0"),
        (set_attribute("/", "encoder_gain", 1 << 20), "the encoder's gain is 1048576, for inputs up to 16"),
        (set_attribute("/", "encoder_threshold", 0), "the encoder's threshold is 0"),
        (
            lambda file: file.attrs.__delitem__("encoder_gain"),
            "conv1: sigma-delta neurons in a graph without",
        ),
        (
            set_attribute("/layers/0", "neuron", "tanh"),
            "unknown neuron 'tanh'; expected one of atrlif, lif, maximum, sigma",
        ),
        (set_attribute("/layers/0", "neuron", "lif"), "damaged"),
        (set_attribute("/layers/0", "shift", 23), "conv1: the shift is 23, not 0 to 22"),
        (set_attribute("/layers/0", "threshold", 1), "conv1: the threshold is 1, not 256 to 4194304"),
        (set_attribute("/layers/0", "rectified", 7), "rectified is 7; expected 0 or 1"),
        (
            set_array("/layers/0/bias", 0, -(1 << 31)),
            "conv1: the biases are not 4 numbers of at most 4194304",
        ),
        (set_attribute("/layers/1/inputs/0", "pool", 2), "pool1"),
    ],
)
def test_wrong_fields_of_sigma_delta_units_are_named(messages, tmp_path, change, message):
    path = tmp_path / "model.h5"
    messages.save(path)
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)
    with pytest.raises(deploy.FormatError, match=message):
        deploy.load(path)


def test_a_file_of_version_2_is_read(graph, tmp_path):
    # Version 2 is version 3 without the kind of neuron, of which there was one.
    path = tmp_path / "model.h5"
    graph.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 2
        for group in file["layers"].values():
            del group.attrs["neuron"]
    seal(path)
    loaded, inputs = deploy.load(path), random_inputs(graph, 6)
    assert np.array_equal(deploy.run(graph, inputs).output, deploy.run(loaded, inputs).output)


def test_a_flipped_byte_in_the_weights_is_caught(graph, tmp_path):
    path = tmp_path / "model.h5"
    graph.save(path)
    data = bytearray(path.read_bytes())
    place = bytes(data).find(only_connection(graph["conv2"]).kernels.tobytes())
    assert place > 0
    data[place + 3] ^= 0x02
    path.write_bytes(data)
    with pytest.raises(deploy.FormatError):
        deploy.load(path)


def test_huge_arrays_are_refused_before_they_are_read(graph, tmp_path):
    path = tmp_path / "model.h5"
    graph.save(path)
    with h5py.File(path, "r+") as file:
        del file["/layers/0/kept"]
        file.create_dataset("/layers/0/kept", shape=(1 << 40,), dtype=np.int32, chunks=(1 << 20,))
    seal(path)
    with pytest.raises(deploy.FormatError, match="bytes of numbers with those before, too many"):
        deploy.load(path)


def mutations(original, seed):
    """Damaged copies of a file: cut short, bytes flipped, set, left out, doubled, or blocks overwritten."""
    random = np.random.default_rng(seed)
    while True:
        data = bytearray(original)
        place = int(random.integers(len(data)))
        kind = int(random.integers(6))
        if kind == 0:
            del data[place:]
        elif kind == 1:
            data[place] ^= 1 << int(random.integers(8))
        elif kind == 2:
            data[place] = int(random.integers(256))
        elif kind == 3:
            del data[place : place + int(random.integers(1, 9))]
        elif kind == 4:
            data[place:place] = bytes(random.integers(0, 256, int(random.integers(1, 9)), dtype=np.uint8))
        else:
            length = int(random.integers(1, 65))
            data[place : place + length] = bytes([int(random.integers(2)) * 255]) * length
        yield bytes(data)


def test_a_thousand_damaged_files_are_refused(graph, tmp_path):
    path = tmp_path / "model.h5"
    graph.save(path)
    original = path.read_bytes()
    for damaged, _ in zip(mutations(original, seed=0), range(1000), strict=False):
        if damaged == original:
            continue
        path.write_bytes(damaged)
        with pytest.raises(deploy.FormatError):
            deploy.load(path)


def test_a_number_that_was_changed_is_noticed(graph, tmp_path):
    path = tmp_path / "model.h5"
    graph.save(path)
    with h5py.File(path, "r+") as file:
        file["layers/0"].attrs["threshold"] = int(file["layers/0"].attrs["threshold"]) + 1
    with pytest.raises(deploy.FormatError, match="SHA-256 differs"):
        deploy.load(path)
    seal(path)
    assert deploy.load(path).layers[0].neuron.threshold == graph.layers[0].neuron.threshold + 1
