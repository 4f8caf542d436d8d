import numpy as np
import pytest
from handmade import dense, graph

import deploy
from deploy.hardware import Traffic, load_hardware, map_graph
from deploy.hardware.activity import StepCounts
from deploy.hardware.sync import interpolated
from deploy.hardware.workload import LayerWork, Options, Workload
from deploy.ir import INPUT

LOIHI1 = load_hardware("loihi1")
COSTS = LOIHI1.cost_sets["davies2018"]
NETWORK = graph((1,), [dense("a", INPUT, [[2]]), dense("b", "a", [[2]])])
MAPPING = map_graph(NETWORK, LOIHI1.structure, LOIHI1.synapse_format)
# Two samples of 5 steps: 1000 synaptic operations, 60 neuron updates of which 25 had input and 10 spiked, 30
# packets from cores and 20 of the input, 6 hops east or west and 8 north or south.
LAYERS = {
    "a": LayerWork("dense", synops=400, updates=20, updated=15, fired=6),
    "b": LayerWork("convolution", synops=600, updates=40, updated=10, fired=4),
}
WORK = Workload(2, 5, LAYERS, Traffic(30, 20, 6, 8, 0), MAPPING)


@pytest.mark.parametrize(
    "active, updates",
    [
        # 25 * 81 + 35 * 52 pJ; 10 * 81 + 50 * 52; 60 * 81.
        ("input", {"active": 25, "inactive": 35}),
        ("spiking", {"active": 10, "inactive": 50}),
        ("all", {"active": 60, "inactive": 0}),
    ],
)
def test_energy_by_hand(active, updates):
    parts = {part.name: part for part in COSTS.parts(WORK, Options(active))}
    assert {name: part.count for name, part in parts.items()} == {
        "synaptic operations": 500,
        "neuron updates, active": updates["active"] / 2,
        "neuron updates, inactive": updates["inactive"] / 2,
        "spikes within a tile": 25,
        "hops east-west": 3,
        "hops north-south": 4,
        "barriers": 5,
    }
    assert parts["barriers"].value is None and parts["barriers"].evidence == "unknown"
    assert {name: part.value * 1e12 for name, part in parts.items() if name != "barriers"} == pytest.approx(
        {
            "synaptic operations": 500 * 23.6,
            "neuron updates, active": updates["active"] / 2 * 81,
            "neuron updates, inactive": updates["inactive"] / 2 * 52,
            "spikes within a tile": 25 * 1.7,
            "hops east-west": 3 * 3.0,
            "hops north-south": 4 * 4.0,
        }
    )
    # Layers give all of the parts that belong to synapses and neurons, over both samples.
    layers = [COSTS.layer_energy(layer, Options(active)) for layer in LAYERS.values()]
    assert sum(layer["synapses"] for layer in layers) * 1e12 == pytest.approx(1000 * 23.6)
    assert sum(layer["neurons"] for layer in layers) * 1e12 == pytest.approx(
        updates["active"] * 81 + updates["inactive"] * 52
    )


@pytest.mark.parametrize(
    "active, nanoseconds",
    [
        # One tile: 113 ns. First core: 3 neurons, 2 with input, 1 spiking, 7 synops; second: 10 neurons,
        # none, 1. input: 7 * 3.5 + 2 * 8.4 + 1 * 5.3 = 46.6 against 3.5 + 10 * 5.3 = 56.5.
        ("input", 113 + 56.5),
        # spiking: 24.5 + 8.4 + 2 * 5.3 = 43.5 against 56.5. all: 24.5 + 3 * 8.4 = 49.7 against 3.5 + 84 =
        # 87.5.
        ("spiking", 113 + 56.5),
        ("all", 113 + 87.5),
    ],
)
def test_time_of_one_step_by_hand(active, nanoseconds):
    counts = StepCounts(
        neurons=np.array([3, 10]),
        updated=np.array([[[2, 0]]]),
        fired=np.array([[[1, 0]]]),
        sent=np.array([[[1, 0]]]),
        received=np.array([[[3, 1]]]),
        synops=np.array([[[7, 1]]]),
    )
    times = COSTS.step_times(counts, WORK, Options(active))
    assert times * 1e9 == pytest.approx(np.array([[nanoseconds]]))


@pytest.mark.parametrize(
    "tiles, nanoseconds",
    # 352 ns more over 31 tiles more.
    [(1, 113), (32, 465), (2, 113 + 352 / 31), (13, 113 + 12 * 352 / 31)],
)
def test_the_barrier_is_linear_in_the_tiles(tiles, nanoseconds):
    assert interpolated(COSTS.barrier.time, tiles) == pytest.approx(nanoseconds * 1e-9)


def test_no_barrier_is_extrapolated():
    with pytest.raises(deploy.HardwareError, match="33 tiles is unknown; it is for 1 to 32"):
        interpolated(COSTS.barrier.time, 33)


def test_what_was_decided_here_is_said():
    sentences = " ".join(COSTS.assumptions(Options("spiking")))
    for words in ("minimum", "maximum", "Ours", "where the neuron spikes", "pre-silicon"):
        assert words in sentences
    assert COSTS.energy_error is None and COSTS.time_error is None
