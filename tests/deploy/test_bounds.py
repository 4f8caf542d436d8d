"""Sums at their bounds: 16 bits where they do, 32 where they must, and no graph whose sums need more."""

import numpy as np
import pytest
from handmade_graphs import layer

import deploy
from deploy.ir import Graph
from deploy.simulator import KERNELS, plan
from dpap.errors import InputError


def reference(weights, inputs, neuron):
    """Spikes of one layer in integers of 64 bits, by the equations of dpap.neurons.reference."""
    weights = np.asarray(weights, np.int64)
    u = v = np.zeros((len(inputs), len(weights)), np.int64)
    spikes = []
    for t in range(inputs.shape[1]):
        sums = inputs[:, t].astype(np.int64) @ weights.T
        u = _decay(u, neuron.current_decay) + (sums << 6)
        v = _decay(v, neuron.voltage_decay) + u
        fired = v > neuron.threshold << 6
        v = np.where(fired, 0, v)
        spikes.append(fired)
    return np.stack(spikes, 1).astype(np.uint8)


def _decay(state, decay):
    magnitude = np.abs(state) * (4096 - decay) >> 12
    return np.sign(state) * magnitude


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        # 129 weights of 254 are 32,766, the most that even weights reach in 16 bits; 2 more are 32,768.
        ([254] * 129, np.int16),
        ([254] * 129 + [2], np.int32),
        # Negative sums count alike.
        ([-254] * 129 + [-2], np.int32),
    ],
)
def test_sums_have_16_bits_where_that_is_proven(largest, expected):
    graph = Graph((len(largest),), 1, 2, (layer([largest]),))
    assert plan(graph)[0].sum_type == expected


@pytest.mark.parametrize("kernel", [None, *KERNELS])
@pytest.mark.parametrize(
    ("count", "input_max", "neuron"),
    [
        # Sums of up to 32,766 in 16 bits, and of 33,020 in 32.
        (129, 1, {"threshold": 16_000}),
        (130, 1, {"threshold": 16_000}),
        # 2 x 254 x 255 = 129,540, just below 2**17: states at the edge of 24 bits.
        (2, 255, {"threshold": 129_000}),
        # Kept currents and voltages: 129 x 254 x 2 x 2 = 131,064.
        (129, 1, {"current_decay": 2048, "voltage_decay": 2048, "threshold": 60_000}),
    ],
)
def test_sums_at_their_bounds_do_not_wrap(kernel, count, input_max, neuron):
    # All at their largest, all at their smallest, and both at once, where partial sums wrap and come back.
    weights = [[254] * count, [-254] * count, [254, -254] * (count // 2) + [0] * (count % 2)]
    graph = Graph((count,), input_max, 4, (layer(weights, **neuron),))
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, input_max + 1, (17, 4, count))
    inputs[0], inputs[1, ::2], inputs[2] = input_max, input_max, 0
    expected = reference(weights, inputs, graph.output.neuron)
    assert expected[:, :, 0].any()
    found = deploy.run(graph, inputs, kernel=kernel).output
    assert np.array_equal(found, expected)
    simulator = deploy.Simulator(graph)
    assert np.array_equal([simulator.step(step) for step in inputs[0]], expected[0])


def test_a_graph_whose_sums_need_64_bits_is_refused():
    # 254 x 65,535 x 3 is 49,937,670; shifted by 6 it would be 3.2e9.
    graph = Graph((3,), 65_535, 1, (layer([[254] * 3]),))
    with pytest.raises(InputError, match=r"fc1: a synaptic sum can reach 49937670, and 32-bit arithmetic"):
        deploy.run(graph, np.zeros((1, 1, 3), np.uint16))
    with pytest.raises(InputError, match=r"make graphs with deploy\.compile"):
        deploy.Simulator(graph)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "nan"),
        (np.inf, "inf"),
        (-1, "-1"),
        (0.5, "0.5"),
        (4, "4"),
    ],
)
def test_inputs_are_refused_with_the_index_of_the_first(value, message):
    graph = Graph((2,), 3, 4, (layer([[2, 2]]),))
    inputs = np.ones((5, 4, 2))
    inputs[3, 2, 1] = inputs[4, 0, 0] = value
    with pytest.raises(
        InputError, match=rf"index \(3, 2, 1\) are {message}; expected whole numbers from 0 to 3"
    ):
        deploy.run(graph, inputs)
    with pytest.raises(InputError, match=rf"index \(1,\) are {message}; expected"):
        deploy.Simulator(graph).step(inputs[3, 2])
