"""Voltages that are clipped and currents that wrap: every simulator does as Lava does, and names the first.

The graphs are made by hand, so that they are at the edges of 24 bits, and beyond them.
"""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs
from handmade_graphs import layer, torch_network
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_cli import fails_with_one_line, run

import deploy
import dpap
from deploy.ir import INPUT, Graph
from deploy.ir.delays import delayed_input
from deploy.ir.neurons.cuba_lif import step
from deploy.ir.neurons.fixed_point import unwrapped
from deploy.simulator import KERNELS
from deploy.verification.verification import verify_backends
from dpap.errors import InputError
from dpap.neurons import Population, membrane
from dpap.neurons.parameters import STATE_LIMIT, VOLTAGE_LIMIT

# ---------------------------------------------------------------- what a run gives, or says


def fast(graph, inputs, on_overflow, **options):
    """Spikes by layer, or what the error says."""
    return _outcome(lambda: deploy.run(graph, inputs, on_overflow=on_overflow, **options).spikes)


def lava(graph, inputs, on_overflow):
    return fast(graph, inputs, on_overflow, backend="lava")


def torch_alone(graph, inputs, on_overflow):
    network = torch_network(graph)
    names = [each.name for each in graph.layers]

    def spikes():
        with network.overflowing(on_overflow), torch.no_grad():
            return network.record(torch.from_numpy(inputs).movedim(1, -1), names)

    outcome = _outcome(spikes)
    # For a network with scales of its own the message says to let others be chosen.
    return (
        outcome
        if isinstance(outcome, dict)
        else outcome.replace(
            "let dpap.quantize choose scales by samples like these",
            "give the network a range with samples like these (dpap.calibrate, or a larger range_margin)",
        )
    )


def stepwise(graph, inputs, on_overflow):
    """Spikes step by step; of several samples the error of the first with one, which counts none."""
    simulator = deploy.Simulator(graph, reset_every=graph.time_steps, on_overflow=on_overflow)
    spikes = {each.name: np.zeros((*inputs.shape[:2], each.size), np.uint8) for each in graph.layers}

    def run_all():
        for place in np.ndindex(*inputs.shape[:2]):
            simulator.step(inputs[place])
            for name, fired in simulator.spikes.items():
                spikes[name][place] = fired
        return spikes

    return _outcome(run_all)


def _outcome(spikes):
    try:
        return {name: np.asarray(values, np.uint8) for name, values in spikes().items()}
    except dpap.ActivationOverflow as error:
        return str(error)


def same(one, other):
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def by_steps(graph, inputs, spikes):
    """How often a voltage ends at its lower limit and a current wraps, and whether the spikes are right.

    By :mod:`deploy.ir.neurons.cuba_lif`, for what the sources sent.
    """
    sent, clips, wraps = {INPUT: inputs} | spikes, 0, 0
    for each in graph.layers:
        sums = sum(
            delayed_input(each, index, sent[incoming.source]).astype(np.int64)
            @ incoming.connection.matrix.toarray().T.astype(np.int64)
            for index, incoming in enumerate(each.inputs)
        )
        current, voltage = np.zeros((2, *sums[:, 0].shape), np.int64)
        for t in range(graph.time_steps):
            bare = unwrapped(current, sums[:, t], each.neuron.current_decay)
            wraps += int((np.abs(bare) > STATE_LIMIT).sum())
            bias = each.neuron_bias if each.bias is not None else 0
            current, voltage, fired = step(each.neuron, current, voltage, sums[:, t], bias)
            clips += int((voltage == -VOLTAGE_LIMIT).sum())
            assert np.array_equal(fired, sent[each.name][:, t])
    return clips, wraps


def agree(graph, inputs, *, with_lava=True):
    """Assert that all give the same spikes when wrapping, and otherwise say the same; give both.

    The error of the streaming simulator is that of a run of the sample alone where it is the same layer's.
    """
    wrapped, said = fast(graph, inputs, "wrap"), fast(graph, inputs, "raise")
    for on_overflow, expected in (("wrap", wrapped), ("raise", said)):
        for kernel in KERNELS:
            for threads in (1, 3):
                found = fast(graph, inputs, on_overflow, kernel=kernel, threads=threads)
                assert same(found, expected), (on_overflow, kernel, threads)
        assert same(torch_alone(graph, inputs, on_overflow), expected), on_overflow
        if with_lava:
            assert same(lava(graph, inputs, on_overflow), expected), on_overflow
    assert same(stepwise(graph, inputs, "wrap"), wrapped)
    if isinstance(said, str):
        (sample,) = (int(number) for number in re.findall(r"in sample (\d+)", said))
        streamed = stepwise(graph, inputs[sample : sample + 1], "raise")
        assert streamed == fast(graph, inputs[sample : sample + 1], "raise")
        assert streamed == said.replace(f"in sample {sample} ", "in sample 0 ")
    else:
        assert same(stepwise(graph, inputs, "raise"), said)
    return wrapped, said


# ---------------------------------------------------------------- worked out by hand


def clipping():
    """One neuron without leak; 40 synapses of -254 and 200 of 254."""
    return Graph((240,), 1, 24, (layer([[-254] * 40 + [254] * 200], voltage_decay=0, threshold=20_000),))


def test_inhibition_without_leak_stays_at_the_lower_limit():
    # The 40 fire in steps 0 to 19: -40 * 254 * 64 = -650,240 a step, -8,453,120 after 13, and -13,004,800
    # after 20; clipped it is -8,388,607. Then the 200 fire: 200 * 254 * 64 = 3,251,200 a step, so that the
    # voltage is -5,137,407, -1,886,207 and 1,364,993, above 64 * 20,000 = 1,280,000: the neuron fires at step
    # 22, the third. Not clipped it would fire at the fifth. From the reset, 3,251,200 fires.
    inputs = np.zeros((1, 24, 240), np.int64)
    inputs[0, :20, :40] = 1
    inputs[0, 20:, 40:] = 1
    wrapped, said = agree(clipping(), inputs)
    assert np.flatnonzero(wrapped["fc1"]).tolist() == [22, 23]
    assert same(wrapped, said)
    # At -8,388,607 from step 12 to step 19.
    assert by_steps(clipping(), inputs, wrapped) == (8, 0)


LAVA_ALONE = """
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF

# Lava adds 1 to the decay of a current: 4096.
source = RingBuffer(data=np.ones((40, 1), np.int32))
synapses = Dense(weights=np.full((1, 40), -254))
neuron = LIF(shape=(1,), du=4095, dv=0, vth=20_000)
source.s_out.connect(synapses.s_in)
synapses.a_out.connect(neuron.a_in)
for _ in range(17):
    neuron.run(condition=RunSteps(num_steps=1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    print("voltage", int(neuron.v.get()[0]))
neuron.stop()
"""


def test_lavas_own_neuron_clips_at_the_same_voltage():
    # In a process of its own: importing Lava sets how a process starts others. Its synapses take a step.
    lines = subprocess.run([sys.executable, "-c", LAVA_ALONE], capture_output=True, text=True, check=True)
    voltages = [int(line.split()[1]) for line in lines.stdout.splitlines() if line.startswith("voltage ")]
    expected = [-650_240 * count for count in range(1, 13)] + [-8_388_607] * 4
    assert voltages == [0, *expected]
    sums = torch.full((16, 1, 1), -40.0 * 254)
    still = Population(dpap.LIF(current_decay=1, voltage_decay=0), 20_000, 1, 16)
    assert membrane(sums, still)[1].flatten().tolist() == expected


def test_a_current_that_wraps_turns_its_sign():
    # 3 * 254 * 255 = 194,310, which is 12,435,840 in state units: minus 2**24 it is -4,341,376, and does not
    # reach 64 * 60,000 = 3,840,000. Of weights of -254 it is 4,341,376, which does. 2 * 254 * 255 = 129,540
    # is below 2**17 = 131,072, and fires as it is.
    graph = Graph(
        (3,), 255, 2, (layer([[254] * 3, [-254] * 3, [254, 254, 0], [-254, -254, 0]], threshold=60_000),)
    )
    inputs = np.zeros((3, 2, 3), np.int64)
    inputs[1, 1] = inputs[2] = 255
    wrapped, said = agree(graph, inputs)
    assert wrapped["fc1"][1].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0]]
    assert said.startswith(
        "fc1: the current of neuron 0 is 194310 in sample 1 at step 1, in units of synaptic sums; it must"
        " stay below 131072 in magnitude"
    )


@pytest.mark.parametrize("own", [None, [[2]]])
def test_a_current_that_leaves_32_bits_comes_back_as_in_lava(own):
    # 32 * 254 * 4095 = 33,284,160 is 2,130,186,240: wrapped once it is 2,113,409,024, and fires. Kept whole,
    # the next is 4,243,595,264, in 32 bits -51,372,032, and wrapped -34,594,816. Then 2,078,814,208, and
    # -69,189,632. A spike of its own adds 128.
    graph = Graph((32,), 4095, 4, (layer([[254] * 32], own=own, current_decay=0, threshold=100_000),))
    wrapped, said = agree(graph, np.full((1, 4, 32), 4095))
    assert wrapped["fc1"].flatten().tolist() == [1, 0, 1, 0]
    assert "fc1: the current of neuron 0 is 33284160 in sample 0 at step 0," in said


def test_the_error_counts_samples_over_blocks_and_threads():
    graph = Graph((3,), 255, 2, (layer([[254] * 3], threshold=60_000),))
    inputs = np.zeros((200, 2, 3), np.int64)
    inputs[[150, 199]] = 255
    for options in ({}, {"threads": 1}, {"threads": 3}, {"memory_bytes": 1}):
        assert "in sample 150 at step 0" in fast(graph, inputs, "raise", **options)
    assert "in sample 150 at step 0" in torch_alone(graph, inputs, "raise")
    # Lava in batches of a few samples.
    assert "in sample 150 at step 0" in lava(graph, inputs[:151], "raise")


def test_a_recurrent_layer_wraps_by_its_own_spikes():
    # 600 neurons fire in step 0, by 254 over a threshold of 100, and inhibit neuron 0 in step 1: with 127 of
    # its own input 254 - 600 * 254 = -152,146 is 9,737,344 below zero, and wraps to 7,039,872, above
    # 64 * 100: neuron 0 fires still, and all others do.
    own = np.zeros((600, 600))
    own[0] = -254
    graph = Graph((1,), 1, 3, (layer(np.full((600, 1), 254), own=own, threshold=100),))
    inputs = np.ones((2, 3, 1), np.int64)
    inputs[0] = 0
    wrapped, said = agree(graph, inputs)
    assert wrapped["fc1"][1].all()
    assert "fc1: the current of neuron 0 is -152146 in sample 1 at step 1," in said


def test_a_delayed_layer_wraps_where_spikes_arrive_together():
    # 300 neurons fire in step 0 and arrive in step 2, by their delays, and 300 fire in step 2: together
    # 600 * 254 = 152,400 in step 2, and 76,200 in no other.
    first = layer(np.concatenate([np.tile([[254, 0]], (300, 1)), np.tile([[0, 254]], (300, 1))]))
    delays = np.repeat([2, 0], 300)
    second = layer(np.full((2, 600), 254) * [[1], [-1]], "fc2", "fc1", delays=delays, threshold=70_000)
    graph = Graph((2,), 1, 4, (first, second))
    inputs = np.zeros((2, 4, 2), np.int64)
    inputs[0, 0, 0] = inputs[0, 3, 1] = inputs[1, 0, 0] = inputs[1, 2, 1] = 1
    wrapped, said = agree(graph, inputs)
    # Neuron 0 fires by 76,200 and not by 152,400, which wraps to -109,744; neuron 1 by that alone, turned.
    assert wrapped["fc2"].tolist() == [[[0, 0], [0, 0], [1, 0], [1, 0]], [[0, 0], [0, 0], [0, 1], [0, 0]]]
    assert "fc2: the current of neuron 0 is 152400 in sample 1 at step 2," in said


# ---------------------------------------------------------------- random graphs


def random_graph(seed, input_max=None, current_decay=None):
    """A graph of two layers, and inputs, that may clip, wrap, recur, be delayed and have biases."""
    generator = np.random.default_rng(seed)
    input_max = int(generator.choice([1, 255, 4095])) if input_max is None else input_max
    decays = [4096, 2048, 1024, 0]
    current_decay = int(generator.choice(decays)) if current_decay is None else current_decay
    # No sum reaches what 32-bit arithmetic holds: 32 * 254 * 4095 is 33,284,160.
    sources = int(generator.integers(2, {1: 650, 255: 200, 4095: 32}[input_max]))
    hidden, classes, steps = int(generator.choice([5, 600])), 4, int(generator.integers(2, 14))
    lean = generator.choice([-0.8, -0.3, 0.0, 0.3, 0.8])

    def weights(rows, columns):
        drawn = np.clip(generator.uniform(-1, 1, (rows, columns)) + lean, -1, 1)
        drawn[generator.random((rows, columns)) < 0.2] = 0
        return 2 * np.rint(127 * drawn)

    def neuron():
        return {
            "current_decay": current_decay,
            "voltage_decay": int(generator.choice([4096, 819, 0])),
            "threshold": int(generator.choice([100, 5_000, 100_000])),
        }

    recurrent, delayed, biased = generator.random(3) < 0.4
    own = weights(hidden, hidden) if recurrent else None
    bias = generator.integers(-1000, 4000, hidden) // 2 * 2 if biased else None
    delays = generator.integers(0, steps + 1, hidden) if delayed else None
    graph = Graph(
        (sources,),
        input_max,
        steps,
        (
            layer(weights(hidden, sources), own=own, bias=bias, **neuron()),
            layer(weights(classes, hidden), "fc2", "fc1", delays=delays, **neuron()),
        ),
    )
    inputs = generator.integers(0, input_max + 1, (3, steps, sources))
    # Still, and at the extremes.
    inputs[1], inputs[2] = inputs[1, :1], input_max * (inputs[2] > input_max // 2)
    return graph, inputs


SEEDS = range(40)


@pytest.mark.parametrize("input_max", [255, 4095])
@pytest.mark.parametrize("current_decay", [4096, 2048, 1024, 0])
def test_every_simulator_wraps_as_lava_does(input_max, current_decay):
    graph, inputs = random_graph(7, input_max, current_decay)
    wrapped, said = agree(graph, inputs)
    assert isinstance(said, str) and any(spikes.any() for spikes in wrapped.values())


def test_the_random_graphs_clip_and_wrap():
    reached = np.array([by_steps(*drawn, fast(*drawn, "wrap")) for drawn in map(random_graph, SEEDS)])
    # Most wrap, many clip, and some stay within range, so that both kinds of outcome are compared.
    assert (reached[:, 0] > 0).sum() >= 5
    assert (reached[:, 1] > 0).sum() >= 10
    assert (reached[:, 1] == 0).sum() >= 5
    # Of those that Lava is given too.
    assert (reached[:12] > 0).any(0).all()


@settings(max_examples=100)
@given(st.integers(0, 1 << 30))
def test_step_by_step_is_the_same_at_the_edges(seed):
    graph, inputs = random_graph(seed)
    wrapped, said = fast(graph, inputs, "wrap"), fast(graph, inputs, "raise")
    assert same(stepwise(graph, inputs, "wrap"), wrapped)
    streamed = stepwise(graph, inputs, "raise")
    assert isinstance(streamed, str) == isinstance(said, str)
    by_steps(graph, inputs, wrapped)


@settings(max_examples=12)
@given(st.integers(0, 1 << 30))
@example(seed=0)
def test_lava_is_the_same_at_the_edges(seed):
    graph, inputs = random_graph(seed)
    assert same(lava(graph, inputs, "wrap"), fast(graph, inputs, "wrap"))
    try:
        said = torch_alone(graph, inputs, "raise")
    except dpap.NetworkError as error:
        # Torch takes recurrent weights for those of the input, and may refuse what a graph proves.
        assert "32-bit arithmetic holds" in str(error) and graph.layers[0].recurrent
    else:
        assert same(said, fast(graph, inputs, "raise"))


# ---------------------------------------------------------------- networks, files and options


@pytest.mark.parametrize("notation", ["12FC-4FC", "12RFC-Delay2-4FC", "4C3-AP2-4FC"])
def test_a_networks_error_is_that_of_its_graph(notation):
    image = "C" in notation.replace("FC", "")
    network = firing_network(notation, (3, 10, 10) if image else (300,), 3, input_max=4095)
    graph, inputs = deploy.compile(network), random_inputs(network, 3)
    inputs[0] = 0
    with pytest.raises(dpap.ActivationOverflow) as caught, torch.no_grad():
        network(torch.from_numpy(inputs).movedim(1, -1))
    assert str(caught.value) == fast(graph, inputs, "raise") == lava(graph, inputs, "raise")
    assert " in sample 1 at step 0" in str(caught.value)
    assert deploy.verify(graph, network, inputs, ("fast",), on_overflow="wrap").mismatches == 0


def test_a_file_that_was_begun_is_not_left_behind(tmp_path):
    graph = Graph((3,), 255, 2, (layer([[254] * 3], threshold=60_000),))
    inputs = np.zeros((200, 2, 3), np.int64)
    inputs[150] = 255
    with pytest.raises(dpap.ActivationOverflow):
        deploy.run(graph, inputs, record_to=tmp_path / "run.h5", threads=1)
    assert list(tmp_path.iterdir()) == []
    # One that was there stays as it was.
    deploy.run(graph, inputs[:9], record_to=tmp_path / "run.h5")
    before = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(dpap.ActivationOverflow):
        deploy.run(graph, inputs, record_to=tmp_path / "run.h5", threads=2)
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]
    assert (tmp_path / "run.h5").read_bytes() == before
    recorded = deploy.run(graph, inputs, record_to=tmp_path / "run.h5", on_overflow="wrap")
    assert same(dict(recorded.spikes), fast(graph, inputs, "wrap"))


def test_another_on_overflow_is_refused_everywhere(tmp_path, capsys):
    graph = Graph((1, 8, 8), 16, 2, (layer(np.full((10, 64), 2)),))
    inputs, network = np.zeros((1, 2, 1, 8, 8), np.int64), torch_network(graph)
    for refused in (
        lambda: deploy.run(graph, inputs, on_overflow="other"),
        lambda: deploy.run(graph, inputs, "lava", on_overflow="other"),
        lambda: deploy.verify(graph, network, inputs, ("fast",), on_overflow="other"),
        lambda: deploy.certify(network, [deploy.run(graph, inputs)], on_overflow="other"),
        lambda: verify_backends(graph, inputs, ("lava",), on_overflow="other"),
        lambda: deploy.Simulator(graph, on_overflow="other"),
        lambda: network.overflowing("other").__enter__(),
    ):
        with pytest.raises(InputError, match="on_overflow is 'other'; expected raise or wrap"):
            refused()
    graph.save(tmp_path / "model.h5")
    for command in ("simulate", "verify"):
        outcome = run(capsys, command, tmp_path / "model.h5", "--on-overflow", "other", "--samples", 1)
        fails_with_one_line(outcome, 2, "on_overflow is 'other'; expected raise or wrap")


def test_the_command_line_raises_or_wraps(tmp_path, capsys):
    # Pixels of digits are up to 16: some 300 in all, 300 * 254 = 76,200 a step, and nothing is lost.
    Graph((1, 8, 8), 16, 4, (layer(np.full((10, 64), 254), current_decay=0, threshold=100_000),)).save(
        tmp_path / "model.h5"
    )
    for command in ("simulate", "verify"):
        options = [command, tmp_path / "model.h5", "--samples", 3]
        fails_with_one_line(
            run(capsys, *options), 2, "fc1: the current of neuron 0 is ", "run with --on-overflow wrap"
        )
        assert run(capsys, *options, "--on-overflow", "wrap")[0] == 0
