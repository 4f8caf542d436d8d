import numpy as np
import pytest
from handmade import dense, graph, pulses, recording, small_chip

from deploy.graph import INPUT
from deploy.hardware import Traffic, count_traffic, load_hardware, map_graph
from deploy.hardware.mesh import tile_position


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
