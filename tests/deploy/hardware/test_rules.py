from dataclasses import replace

import numpy as np
import pytest
from handmade import NEURON, convolution, dense, graph, recording, small_chip

import deploy
from deploy.hardware import PlacementError, check_graph, estimate, load_hardware, map_graph
from deploy.hardware.rules import weight_bits
from deploy.ir import INPUT

LOIHI1 = load_hardware("loihi1")


def one(weight, **changes):
    return graph((np.shape(weight)[1],), [replace(dense("fc", INPUT, weight), **changes)])


def rules(violations):
    return [(v.rule, v.where, v.actual, v.limit) for v in violations]


@pytest.mark.parametrize(
    "weights, bits",
    [
        # Two's complement: 254 takes 9 bits, -256 too, 256 ten. In even steps one bit less is stored.
        ([254, -256], (9, 8)),
        ([256], (10, 2)),
        ([-1], (1, 1)),
        ([1], (2, 2)),
        ([127, -128], (8, 8)),
        ([6, -10], (5, 4)),
        ([0], (1, 1)),
        ([], (1, 1)),
    ],
)
def test_bits_of_weights(weights, bits):
    assert weight_bits(np.array(weights, np.int16)) == bits


def test_what_fits_has_no_violation():
    for name in ("loihi1", "loihi2", "loihi2-scaled", "cmos45_fp32"):
        assert check_graph(one([[254, -256]]), load_hardware(name)) == ()


def test_weights_and_thresholds_of_too_many_bits():
    assert rules(check_graph(one([[512, 2]]), LOIHI1)) == [("weight bits", "fc", 11, 9)]
    # 9 bits without a common factor do not go into the 8 that are stored.
    assert rules(check_graph(one([[255, 2]]), LOIHI1)) == [("weight bits", "fc", 9, 8)]
    assert rules(check_graph(one([[255, 2]]), load_hardware("loihi2"))) == [("weight bits", "fc", 9, 8)]
    neuron = replace(NEURON, threshold=2**17)
    assert rules(check_graph(one([[2]], neuron=neuron), LOIHI1)) == [("threshold bits", "fc", 18, 17)]


def test_a_delay_that_is_too_long():
    layer = dense("fc", INPUT, [[2, 2]])
    late = replace(layer.inputs[0], delays=np.array([62, 63], np.int16))
    network = replace(graph((2,), [replace(layer, inputs=(late,))]), time_steps=100)
    assert rules(check_graph(network, LOIHI1)) == [("delay", "fc", 63, 62)]


def test_a_neuron_with_too_many_axons(tmp_path):
    chip = small_chip(tmp_path, input_axons_per_core=8)
    violations = check_graph(one(np.full((4, 10), 2)), chip)
    assert rules(violations) == [("fan-in", "fc, one neuron", 10, 8)]
    assert "prune neurons of its source" in str(violations[0])
    assert violations[0].to_dict()["actual"] == 10


def test_a_neuron_whose_synapses_fit_no_core_is_refused_or_placed(tmp_path):
    # 16 lists of one weight, 8 + 10 bits in a word of 64 each: 16 words, where there are 4.
    chip = small_chip(tmp_path, synapse_words_per_core=4)
    network = one(np.full((2, 16), 2))
    with pytest.raises(PlacementError) as error:
        map_graph(network, chip.structure, chip.synapse_format)
    assert rules([error.value.violation]) == [("synapse memory", "fc, one neuron", 1024, 256)]
    assert rules(check_graph(network, chip)) == [("synapse memory", "fc, core 0", 1024, 256)]
    run = recording(network, np.ones((1, 1, 16), int), fc=np.zeros((1, 1, 2)))
    measurement = deploy.measure(network, run)
    with pytest.raises(deploy.HardwareError, match="one neuron needs 1024 synapse memory"):
        estimate(measurement, chip)
    result = estimate(measurement, chip, oversized="place")
    assert (result.cores, result.fits) == (2, False)
    assert result.to_dict()["violations"][0]["rule"] == "synapse memory"
    assert any("fc does not fit" in text for text in result.cost_sets["sanafe_fit"].assumptions)


def test_each_core_has_its_usage(tmp_path):
    # Five neurons on cores of two: 2, 2, 1. Axon 0 reaches all, axon 1 the last neuron.
    chip = small_chip(tmp_path, neurons_per_core=2)
    weight = np.zeros((5, 2), int)
    weight[:, 0], weight[4, 1] = 2, 2
    layer = map_graph(one(weight), chip.structure, chip.synapse_format).layers["fc"]
    assert {name: used.tolist() for name, used in layer.usage_by_core.items()} == {
        "neurons": [2, 2, 1],
        "synapse memory": [64, 64, 128],
        "input axons": [1, 1, 2],
        "output axons": [0, 0, 0],
    }
    assert layer.usage == {"neurons": 2, "synapse memory": 128, "input axons": 2, "output axons": 0}
    assert (layer.fan_in, layer.limits["neurons"]) == (2, 2)


def test_a_wide_convolution_has_too_many_axons_on_the_inside_alone():
    # 512 channels: 9 * 512 = 4608 axons at an inner position, 6 * 512 = 3072 at an edge.
    kernels = np.full((1, 512, 3, 3), 2)
    layer = convolution("conv", INPUT, kernels, extent=3, padding=1)
    violations = check_graph(graph((512, 3, 3), [layer]), LOIHI1)
    assert rules(violations) == [("fan-in", "conv, one neuron", 4608, 4096)]


def test_a_graded_input_has_a_limit_on_loihi2():
    network = replace(one([[2]]), input_max=2**32)
    assert rules(check_graph(network, load_hardware("loihi2"))) == [("graded spike bits", "input", 33, 32)]
