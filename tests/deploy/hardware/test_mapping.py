from dataclasses import replace

import numpy as np
import pytest
from factories import firing_network, halved
from handmade import convolution, dense, graph, small_chip

import deploy
from deploy.hardware import load_hardware, map_graph
from deploy.hardware.placement import split
from deploy.ir import INPUT
from deploy.ir.connection import unrolled

LOIHI1 = load_hardware("loihi1")


def mapped(network, chip=LOIHI1):
    return map_graph(network, chip.structure, chip.synapse_format)


def full(targets, sources):
    return np.full((targets, sources), 2)


@pytest.mark.parametrize(
    "neurons, cores, bounds",
    [(6, 1, [0, 6]), (6, 3, [0, 2, 4, 6]), (8, 3, [0, 3, 6, 8]), (3, 3, [0, 1, 2, 3])],
)
def test_neurons_are_split_into_equal_ranges(neurons, cores, bounds):
    assert split(neurons, cores).tolist() == bounds


def test_784_to_128_fills_86_percent_of_one_core():
    layer = mapped(graph((784,), [dense("fc", INPUT, full(128, 784))])).layers["fc"]
    assert (layer.encoding, layer.cores, layer.limited_by, layer.fits) == ("dense", 1, "synapse memory", True)
    assert layer.usage == {
        "neurons": 128,
        "synapse memory": 784 * 1152,
        "input axons": 784,
        "output axons": 0,
    }
    assert layer.utilisation["synapse memory"] == pytest.approx(0.861, abs=5e-4)
    assert layer.utilisation["neurons"] == 0.125


def test_a_few_zeros_are_stored_where_that_takes_fewer_cores():
    # As lists of synapses with 7 index bits the same layer needs about 128 * 15 bits a list: 1.48 cores.
    weight = full(128, 784)
    weight[::16, ::3] = 0
    layer = mapped(graph((784,), [dense("fc", INPUT, weight)])).layers["fc"]
    assert (layer.encoding, layer.cores) == ("dense", 1)
    assert layer.usage["synapse memory"] == 784 * 1152
    # Each list has a weight for every neuron: what is stored is what an event costs.
    assert (layer.synapses_on.toarray() == 128).all()
    # Half of the weights gone: 64 * 15 + 10 bits are 16 words, less than the 18 of a dense list.
    weight[::2] = 0
    layer = mapped(graph((784,), [dense("fc", INPUT, weight)])).layers["fc"]
    assert layer.encoding == "sparse"
    assert layer.synapses_on.sum() == np.count_nonzero(weight)


def test_synaptic_memory_splits_a_layer():
    # 784 lists of 256 weights are 784 * 2304 bits, 1.72 cores; halves of 128 neurons take 784 * 1152 each.
    layer = mapped(graph((784,), [dense("fc", INPUT, full(256, 784))])).layers["fc"]
    assert (layer.cores, layer.limited_by) == (2, "synapse memory")
    assert layer.usage["synapse memory"] == 784 * 1152
    assert layer.core_of.tolist() == [0] * 128 + [1] * 128
    # Splitting the targets leaves each core with all the input axons.
    assert layer.usage["input axons"] == 784


def test_neurons_split_a_layer():
    layer = mapped(graph((1,), [dense("fc", INPUT, full(1025, 1))])).layers["fc"]
    assert (layer.cores, layer.limited_by) == (2, "neurons")
    assert np.bincount(layer.core_of).tolist() == [513, 512]


def test_output_axons_grow_with_the_cores_of_the_destination(tmp_path):
    # b has 20 neurons on 3 cores (7, 7, 6), and every neuron of a sends to all three. Its 8 neurons take 24
    # output axons. 24 / 8 says 3 cores, but 8 neurons on 3 cores are 3, 3 and 2, and 3 neurons take 9. On 4
    # cores 2 take 6.
    chip = small_chip(tmp_path, neurons_per_core=8, output_axons_per_core=8)
    layers = [dense("a", INPUT, full(8, 1)), dense("b", "a", full(20, 8))]
    mapping = mapped(graph((1,), layers), chip)
    a, b = mapping.layers["a"], mapping.layers["b"]
    assert (b.cores, b.limited_by) == (3, "neurons")
    assert (a.cores, a.limited_by, a.usage["output axons"]) == (4, "output axons", 6)
    assert a.destinations.tolist() == [3] * 8 and b.destinations.tolist() == [0] * 20
    # Layers in order on consecutive cores.
    assert a.core_of.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert b.core_of.tolist() == [4] * 7 + [5] * 7 + [6] * 6
    assert (a.first_core, b.first_core, mapping.cores, mapping.tiles, mapping.chips) == (0, 4, 7, 2, 1)


def test_a_neuron_takes_no_output_axon_to_a_core_without_a_synapse_of_it(tmp_path):
    # b: one neuron a core. a0 has synapses on b0 and b2, a1 on b1 alone, a2 on none.
    chip = small_chip(tmp_path, neurons_per_core=1)
    weight = [[2, 0, 0], [0, 2, 0], [2, 0, 0]]
    mapping = mapped(graph((1,), [dense("a", INPUT, full(3, 1)), dense("b", "a", weight)]), chip)
    assert mapping.layers["a"].destinations.tolist() == [2, 1, 0]
    assert mapping.layers["b"].synapses_on.toarray().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_two_layers_with_one_source_both_take_its_output_axons():
    layers = [dense("a", INPUT, full(2, 1)), dense("b", "a", full(3, 2)), dense("c", "a", [[2, 0]])]
    mapping = mapped(graph((1,), layers))
    assert mapping.layers["a"].destinations.tolist() == [2, 1]
    assert mapping.layers["a"].usage["output axons"] == 3


def receiving(layer, *sources):
    """The layer with the synapses of its only input from other sources, in this order."""
    return replace(layer, inputs=tuple(replace(layer.inputs[0], source=name) for name in sources))


def test_a_layer_of_two_sources_has_axons_of_both_and_both_have_output_axons_to_it():
    # c: 3 neurons on one core, fully connected to the 2 neurons of a and the 2 of b: 4 axons, and lists of 3
    # weights, 3 * 8 + 10 -> 64 bits. From a to c is one layer less: a delay of 1, 3 * 9 + 10 -> 64 bits.
    layers = [dense("a", INPUT, full(2, 1)), dense("b", "a", full(2, 2))]
    c = receiving(dense("c", "a", full(3, 2)), "a", "b")
    mapping = mapped(graph((1,), [*layers, c]))
    a, b, c = mapping.layers.values()
    assert (c.encoding, c.usage["input axons"], c.usage["synapse memory"]) == ("dense", 4, 4 * 64)
    assert (c.fan_in, c.longest_delay, c.axon_of.tolist()) == (4, 1, [0, 1, 2, 3])
    # a sends to b and to c.
    assert (a.destinations.tolist(), b.destinations.tolist()) == ([2, 2], [1, 1])
    assert c.synapses_on.toarray().tolist() == [[3]] * 4


def test_a_recurrent_layer_takes_output_axons_to_its_own_cores(tmp_path):
    # Every one of 8 neurons receives from all 8, and has one output axon to each of the layer's own cores. On
    # n cores with ceil(8 / n) neurons the fullest has n * ceil(8 / n): 8, 8, 9, 8 for n = 1 to 4. 3 neurons a
    # core say at least 3 cores; 8 output axons say not 3, but 4.
    layer, own = dense("r", INPUT, full(8, 1)), dense("r", "r", full(8, 8))
    network = graph((1,), [replace(layer, inputs=(*layer.inputs, *own.inputs))])
    chip = small_chip(tmp_path, neurons_per_core=3, output_axons_per_core=8)
    r = mapped(network, chip).layers["r"]
    assert (r.cores, r.destinations.tolist(), r.usage["output axons"]) == (4, [4] * 8, 8)
    assert r.usage_by_core["input axons"].tolist() == [9] * 4
    # With room for 9 three cores do.
    r = mapped(network, small_chip(tmp_path, neurons_per_core=3, output_axons_per_core=9)).layers["r"]
    assert (r.cores, r.destinations.tolist()) == (3, [3] * 8)
    # What its neurons send is what its cores receive, beside what others send.
    assert r.target_cores[1:].tolist() == [3] * 8


@pytest.mark.parametrize(
    "notation",
    [
        "4C3-Res(4C3)-AP2-Res(6FC-6FC|6FC)-5FC",
        "20RFC-Delay2-12RFC-5FC",
        "4C3s2-4C3d2g2-MP2-SP2-Delay3-8FC",
    ],
)
def test_every_core_of_every_kind_of_network_by_brute_force(tmp_path, notation):
    shape = (2, 9, 9) if "C" in notation.replace("FC", "") else (6,)
    compiled = deploy.compile(firing_network(notation, shape, 4))
    limits = {"neurons_per_core": 24, "input_axons_per_core": 150}
    mapping = mapped(compiled, small_chip(tmp_path, **limits))
    sends = {layer.name: np.zeros(layer.size, int) for layer in compiled.layers}
    for layer in compiled.layers:
        placed = mapping.layers[layer.name]
        first, axons = 0, np.zeros(placed.cores, int)
        assert placed.fits and placed.cores > layer.size // 25
        for incoming in layer.inputs:
            synapses = unrolled(incoming.connection, compiled.source_shape(incoming)).toarray() != 0
            on = np.zeros((synapses.shape[1], placed.cores), int)
            for target, sources in enumerate(synapses):
                on[sources, placed.core_of[target] - placed.first_core] += 1
            part = slice(first, first + len(on))
            if placed.encoding != "dense":
                np.testing.assert_array_equal(placed.synapses_on[part].toarray(), on)
            np.testing.assert_array_equal(placed.synapses_on[part].toarray() > 0, on > 0)
            for core in range(placed.cores):
                axons[core] += len(set(placed.axon_of[part][on[:, core] > 0]))
            if incoming.source != INPUT:
                sends[incoming.source] += (on > 0).sum(axis=1)
            first += len(on)
        assert placed.usage_by_core["input axons"].tolist() == axons.tolist()
    for name, placed in mapping.layers.items():
        assert placed.destinations.tolist() == sends[name].tolist()
        output_axons = np.bincount(placed.core_of - placed.first_core, sends[name])
        assert placed.usage_by_core["output axons"].tolist() == output_axons.tolist()


def test_splitting_helps_where_parts_have_other_sources(tmp_path):
    # Each of 4 neurons receives 6 inputs of its own, 24 in all; a core has 8 input axons. 24 / 8 says 3
    # cores, but a core with two of the neurons would receive 12.
    chip = small_chip(tmp_path, input_axons_per_core=8)
    weight = np.kron(np.eye(4, dtype=int), full(1, 6))
    layer = mapped(graph((24,), [dense("fc", INPUT, weight)]), chip).layers["fc"]
    assert (layer.cores, layer.limited_by, layer.fits) == (4, "input axons", True)
    assert layer.usage["input axons"] == 6


def test_a_neuron_with_more_axons_than_a_core_does_not_fit(tmp_path):
    chip = small_chip(tmp_path, input_axons_per_core=8)
    layer = mapped(graph((10,), [dense("fc", INPUT, full(4, 10))]), chip).layers["fc"]
    # ceil(10 / 8) cores, on each of which all 10 inputs arrive.
    assert (layer.cores, layer.limited_by, layer.fits) == (2, "input axons", False)
    assert layer.utilisation["input axons"] == 1.25


def test_a_neuron_whose_synapses_fit_no_core_is_refused(tmp_path):
    # 16 lists of one weight, 8 + 10 bits in a word of 64 each: 16 words, where there are 4.
    chip = small_chip(tmp_path, synapse_words_per_core=4)
    with pytest.raises(
        deploy.HardwareError, match="fc: one neuron needs 1024 synapse memory; a core has 256"
    ):
        mapped(graph((16,), [dense("fc", INPUT, full(2, 16))]), chip)


def test_an_image_is_split_by_position(tmp_path):
    # 2 channels of 3 x 3 on cores of 6 neurons: each core takes one row of the image, in both channels.
    chip = small_chip(tmp_path, neurons_per_core=6)
    layer = convolution("conv", INPUT, np.full((2, 1, 3, 3), 2), extent=3, padding=1)
    conv = mapped(graph((1, 3, 3), [layer]), chip).layers["conv"]
    row = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert conv.core_of.reshape(2, 3, 3).tolist() == [row, row]
    # The first core receives two rows of the input, the second all three.
    assert (conv.synapses_on.toarray() > 0).sum(axis=0).tolist() == [6, 9, 6]
    assert conv.usage["input axons"] == 9


def test_sources_of_a_pooling_window_share_an_input_axon():
    # 16 sources in 4 windows to 3 neurons: 4 input axons and lists, but every source has its own output axon.
    source = convolution("conv", INPUT, [[[[2]]]], extent=4, padding=0)
    mapping = mapped(graph((1, 4, 4), [source, dense("fc", "conv", full(3, 4), pool=2)]))
    fc, conv = mapping.layers["fc"], mapping.layers["conv"]
    # 3 * 8 + 10 = 34 -> 64 bits a list.
    assert (fc.usage["input axons"], fc.usage["synapse memory"]) == (4, 4 * 64)
    assert fc.synapses_on.toarray().tolist() == [[3]] * 16
    assert conv.usage["output axons"] == 16


def test_cores_beyond_a_chip_open_another(tmp_path):
    chip = small_chip(tmp_path, neurons_per_core=1)
    mapping = mapped(graph((1,), [dense("fc", INPUT, full(130, 1))]), chip)
    # 32 tiles of the first chip and one of the second.
    assert (mapping.cores, mapping.tiles, mapping.chips) == (130, 33, 2)
    mapping = mapped(graph((1,), [dense("fc", INPUT, full(128, 1))]), chip)
    assert (mapping.cores, mapping.tiles, mapping.chips) == (128, 32, 1)


def test_every_core_of_a_compiled_network_keeps_within_its_limits(tmp_path):
    compiled = deploy.compile(halved(firing_network("8C3-AP2-16C3-AP2-32FC-10FC", (1, 16, 16), 4)))
    limits = {"neurons_per_core": 200, "input_axons_per_core": 260, "output_axons_per_core": 400}
    mapping = mapped(compiled, small_chip(tmp_path, synapse_words_per_core=2048, **limits))
    for name, layer in mapping.layers.items():
        assert layer.fits and max(layer.utilisation.values()) <= 1, name
        assert np.bincount(layer.core_of).max() == layer.usage["neurons"]
        assert layer.synapses_on.sum() == compiled.synapses()[name]
        assert set(layer.core_of) == set(range(layer.first_core, layer.first_core + layer.cores))
    assert sum(layer.cores for layer in mapping.layers.values()) == mapping.cores
