from dataclasses import replace

import numpy as np
import pytest
from factories import firing_network, random_inputs, with_random_states
from handmade import dense, graph, pulses, recording, small_chip

import deploy
from deploy.hardware import Traffic, count_traffic, load_hardware, map_graph
from deploy.hardware.mesh import tile_position
from deploy.ir import INPUT
from deploy.ir.connection import unrolled
from deploy.measurement.counts import inputs_of


@pytest.mark.parametrize(
    "core, chip, x, y",
    [
        # Four cores a tile; tiles fill columns of four.
        (0, 0, 0, 0),
        (3, 0, 0, 0),
        (4, 0, 0, 1),
        (15, 0, 0, 3),
        (16, 0, 1, 0),
        (127, 0, 7, 3),
        (128, 1, 0, 0),
    ],
)
def test_positions_of_cores(core, chip, x, y):
    assert tuple(map(int, tile_position(core, load_hardware("loihi1").structure))) == (chip, x, y)


def counted(network, run, chip):
    mapping = map_graph(network, chip.structure, chip.synapse_format)
    return count_traffic(run, mapping, chip.structure)


def test_packets_and_hops_by_hand(tmp_path):
    # One neuron a core: a on cores 0 and 1 (tile 0 at 0,0), b on cores 2 to 19. a0 has a synapse on b14: core
    # 16, tile 4 at (1, 0), 1 hop east. a1 on b0: core 2, tile 0, no hop; b10: core 12, tile 3 at (0, 3), 3
    # hops south; b17: core 19, tile 4, 1 east.
    chip = small_chip(tmp_path, neurons_per_core=1)
    weight = np.zeros((18, 2), int)
    weight[14, 0] = weight[[0, 10, 17], 1] = 2
    network = graph((1,), [dense("a", INPUT, [[2], [2]]), dense("b", "a", weight)], 2, input_max=4)
    # a0 spikes once, a1 twice: 1 + 2 * 3 packets, 1 + 2 * 1 hops east, 2 * 3 hops south.
    # An input of 3 reaches the two cores of a: 6 packets. The spike of b goes nowhere.
    run = recording(
        network,
        pulses([3], [0]),
        a=pulses([1, 1], [0, 1]),
        b=np.eye(18)[[14, 14]][None] * [[[1], [0]]],
    )
    assert counted(network, run, chip) == Traffic(
        packets=7, input_packets=6, hops_east_west=3, hops_north_south=6, packets_between_chips=0
    )


def test_several_synapses_on_one_core_are_one_packet():
    network = graph((2,), [dense("a", INPUT, [[2, 2]]), dense("b", "a", [[2]] * 5)])
    run = recording(network, pulses([1, 0]), a=pulses([1]), b=pulses([0] * 5))
    assert counted(network, run, load_hardware("loihi1")) == Traffic(1, 1, 0, 0, 0)


def test_packets_between_chips_are_counted_and_have_no_hops(tmp_path):
    # a on core 0; b0 to b126 on the rest of the chip, b127 on the next one. a reaches b0 (same tile), b126
    # (core 127, tile 31 at 7, 3) and b127.
    chip = small_chip(tmp_path, neurons_per_core=1)
    weight = np.zeros((128, 1), int)
    weight[[0, 126, 127]] = 2
    network = graph((1,), [dense("a", INPUT, [[2]]), dense("b", "a", weight)])
    run = recording(network, pulses([1]), a=pulses([1]), b=np.zeros((1, 1, 128)))
    assert counted(network, run, chip) == Traffic(
        packets=3, input_packets=1, hops_east_west=7, hops_north_south=3, packets_between_chips=1
    )


def test_a_recurrent_and_a_delayed_packet_by_hand(tmp_path):
    # One neuron a core: a on cores 0 to 4, a4 on tile 1 at (0, 1). a0 receives the input and a4; a4 receives
    # a0, and b (core 5, tile 1) receives a0 two steps late. a0 spikes in steps 0, 1, 2 of 3.
    chip = small_chip(tmp_path, neurons_per_core=1)
    own = np.zeros((5, 5), int)
    own[4, 0] = own[0, 4] = 2
    a, loop = dense("a", INPUT, np.eye(5, 1, dtype=int) * 2), dense("a", "a", own)
    a = replace(a, inputs=(*a.inputs, *loop.inputs))
    b = dense("b", "a", [[2, 0, 0, 0, 0]])
    b = replace(b, inputs=(replace(b.inputs[0], delays=np.full(5, 2, np.int16)),))
    network = graph((1,), [a, b], 3)
    spikes = np.zeros((1, 3, 5), int)
    spikes[0, :, 0], spikes[0, 1, 4] = 1, 1
    run = recording(network, pulses([1], [0], [0]), a=spikes, b=pulses([0], [0], [1]))
    # a0 to a4 one step late: of three spikes two arrive, 1 hop south each. a4 to a0: one, 1 hop. a0 to b two
    # steps late: one arrives, 1 hop.
    assert counted(network, run, chip) == Traffic(
        packets=4, input_packets=1, hops_east_west=0, hops_north_south=4, packets_between_chips=0
    )


@pytest.mark.parametrize(
    "notation, shape",
    [
        ("4C3-Res(4C3)-AP2-Res(6FC-6FC|6FC)-5FC", (2, 6, 6)),
        ("30RFC-Delay2-20RFC-5FC", (6,)),
        ("4C3s2-4C3d2g2-MP2-8FC", (2, 11, 11)),
    ],
)
def test_packets_and_hops_of_every_kind_of_network_one_by_one(tmp_path, notation, shape):
    chip = small_chip(tmp_path, neurons_per_core=2)
    network = with_random_states(firing_network(notation, shape, 4, bias=True))
    run = deploy.run(deploy.compile(network), random_inputs(network, 2))
    mapping = map_graph(run.graph, chip.structure, chip.synapse_format)
    structure, totals = chip.structure, dict.fromkeys(("input", "sent", "between", "x", "y"), 0)
    for layer in run.graph.layers:
        core_of = mapping.layers[layer.name].core_of
        for incoming, arrived in zip(layer.inputs, inputs_of(run, layer), strict=True):
            synapses = unrolled(incoming.connection, run.graph.source_shape(incoming)).toarray()
            times = arrived.sum(axis=(0, 1), dtype=int).ravel()
            for neuron in np.flatnonzero(times):
                for core in set(core_of[synapses[:, neuron] != 0].tolist()):
                    if incoming.source == INPUT:
                        totals["input"] += times[neuron]
                        continue
                    origin = mapping.layers[incoming.source].core_of[neuron]
                    (chip0, x0, y0), (chip1, x1, y1) = (tile_position(c, structure) for c in (origin, core))
                    totals["sent"] += times[neuron]
                    totals["between"] += times[neuron] * (chip0 != chip1)
                    totals["x"] += times[neuron] * abs(x0 - x1) * (chip0 == chip1)
                    totals["y"] += times[neuron] * abs(y0 - y1) * (chip0 == chip1)
    assert totals["x"] > 0 and totals["y"] > 0
    assert count_traffic(run, mapping, structure) == Traffic(
        totals["sent"], totals["input"], totals["x"], totals["y"], totals["between"]
    )
