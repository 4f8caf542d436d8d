import numpy as np
import pytest
from handmade import dense, graph, recording

import deploy
from deploy.hardware import Traffic, estimate, load_hardware, map_graph
from deploy.hardware.activity import StepCounts
from deploy.hardware.sync import stepwise
from deploy.hardware.workload import LayerWork, Options, Workload
from deploy.ir import INPUT

LOIHI1 = load_hardware("loihi1")
COSTS = LOIHI1.cost_sets["sanafe_fit"]
NETWORK = graph(
    (4,), [dense("a", INPUT, np.zeros((4, 4))), dense("b", "a", np.full((8, 4), 2))], time_steps=2
)
MAPPING = map_graph(NETWORK, LOIHI1.structure, LOIHI1.synapse_format)
"""SANA-FE's example that can be worked out by hand: 4 neurons to 8, dense, on two cores of one tile."""


@pytest.mark.parametrize(
    "updated, soma, total",
    [
        # Step 1: the 4 neurons with a bias are updated. 12 * 51.2 + 4 * 21.6 + 4 * 69.3 = 978 pJ.
        (0, 978.0, 2558.0),
        # Step 2: the spikes of step 1 update the other 8 as well, 8 * 21.6 = 172.8 pJ more.
        (8, 1150.8, 2730.8),
    ],
)
def test_energy_of_one_step_by_hand(updated, soma, total):
    # 32 dense events: 32 * 35.5 = 1136 pJ. 4 packets, no hops: 4 * 111 = 444 pJ.
    layers = {
        "a": LayerWork("sparse", synops=0, updates=4, updated=4, fired=4),
        "b": LayerWork("dense", synops=32, updates=8, updated=updated, fired=0),
    }
    traffic = Traffic(
        packets=4, input_packets=0, hops_east_west=0, hops_north_south=0, packets_between_chips=0
    )
    work = Workload(1, 1, layers, traffic, MAPPING)
    picojoules = {part.name: part.value * 1e12 for part in COSTS.parts(work, Options())}
    assert picojoules == pytest.approx(
        {
            "synaptic events, dense": 1136,
            "synaptic events, sparse": 0,
            "synaptic events, convolution": 0,
            "neuron accesses": 614.4,
            "neuron updates": (4 + updated) * 21.6,
            "spikes": 277.2,
            "packets sent": 444,
            "packets received": 0,
            "hops east-west": 0,
            "hops north-south": 0,
        }
    )
    neurons = sum(COSTS.layer_energy(layer, Options())["neurons"] for layer in layers.values())
    assert neurons * 1e12 == pytest.approx(soma)
    assert sum(picojoules.values()) == pytest.approx(total)


def test_time_of_one_step_by_hand():
    # Neurons: 4 * (6.0 + 3.7 + 30.0 + 5.1) = 179.2 ns on the first core, 8 * 6.0 = 48 on the second.
    # Messages on the second: 4 * (16 + 8 * 3.8) = 185.6 ns. Synchronisation of one tile: 600 ns.
    def row(*values):
        return np.array([[values]])

    counts = StepCounts(
        neurons=np.array([4, 8]),
        updated=row(4, 0),
        fired=row(4, 0),
        sent=row(4, 0),
        received=row(0, 4),
        synops=row(0, 32),
    )
    cores = COSTS.core_times(counts, np.array([4.7e-9, 3.8e-9]))
    assert cores[0, 0] * 1e9 == pytest.approx([179.2, 185.6])
    work = Workload(1, 1, {}, Traffic(4, 0, 0, 0, 0), MAPPING)
    assert COSTS.step_times(counts, work, Options()) * 1e9 == pytest.approx(np.array([[785.6]]))


def test_the_same_example_from_spikes():
    # No bias here: the 4 neurons spike without an update, and the spikes of a step update the 8 in that step.
    # Each step: 1136 + 12 * 51.2 + 8 * 21.6 + 4 * 69.3 + 444 = 2644.4 pJ, and 785.6 ns: messages take 185.6
    # ns and the neurons of the first core 4 * (6.0 + 30.0 + 5.1) = 164.4.
    run = recording(NETWORK, np.zeros((3, 2, 4), int), a=np.ones((3, 2, 4)), b=np.zeros((3, 2, 8)))
    fit = estimate(deploy.measure(NETWORK, run), LOIHI1).cost_sets["sanafe_fit"]
    assert fit.dynamic_energy * 1e12 == pytest.approx(2 * 2644.4)
    assert fit.time * 1e9 == pytest.approx(2 * 785.6)
    assert fit.time_per_step * 1e9 == pytest.approx(785.6)


def test_soma_energy_of_sanafes_gesture_network():
    # SANA-FE on its DVS-Gesture network: 18678 neurons for 128 steps, 1,346,821 updates, 38,081 spikes:
    # 154.138 uJ.
    neurons = 1024 + 3600 + 5408 + 7744 + 891 + 11
    layer = LayerWork("convolution", synops=0, updates=neurons * 128, updated=1346821, fired=38081)
    assert COSTS.layer_energy(layer, Options())["neurons"] * 1e6 == pytest.approx(154.138, abs=5e-4)


@pytest.mark.parametrize(
    "encoding, picojoules, nanoseconds",
    [("dense", 35.5, 3.8), ("sparse", 33.6, 4.7), ("convolution", 24.0, 3.1)],
)
def test_a_synaptic_event_costs_what_its_encoding_costs(encoding, picojoules, nanoseconds):
    layer = LayerWork(encoding, synops=10, updates=0, updated=0, fired=0)
    assert COSTS.layer_energy(layer, Options()) == pytest.approx(
        {"synapses": 10 * picojoules * 1e-12, "neurons": 0}
    )
    assert getattr(COSTS.synapse, encoding).time.si == pytest.approx(nanoseconds * 1e-9)


@pytest.mark.parametrize(
    "tiles, nanoseconds",
    [(1, 600), (2, 1000), (3, 1000), (4, 1400), (13, 1400), (28, 1400), (29, 1800), (32, 1800)],
)
def test_synchronisation_takes_the_entry_that_is_not_above_the_tiles(tiles, nanoseconds):
    assert stepwise(COSTS.sync, tiles) == pytest.approx(nanoseconds * 1e-9)
