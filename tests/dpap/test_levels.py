"""What is said of levels and weights that rounding does away with, and that the advice works."""

import warnings

import numpy as np
import pytest
import torch
from stock import NEURON
from torch import nn

import deploy
import dpap
from deploy.workflow.demo import DemoConfig
from dpap.errors import PrecisionWarning
from dpap.quantization.levels import FEWEST_LEVELS, VANISHED_SHARE, levels_of, warn_of_lost_levels

STILL = dpap.LIF(current_decay=0.0, voltage_decay=0.5)


def one_layer(weight, **options):
    """A dense layer with these weights, binary inputs, one step."""
    weight = torch.tensor(weight)
    options = {"time_steps": 1, "input_max": 1} | options
    network = dpap.networks.build(f"{len(weight)}FC", (weight.shape[1],), **options)
    network.layers["fc1"].weight.data = weight
    return network.eval()


def is_quiet(network):
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrecisionWarning)
        warn_of_lost_levels(network)
    return True


def test_levels_are_counted():
    # The largest is 254 units: 0.25 is 63.5, between 62 and 64, and 0.003 is 0.76, which is 0 of steps of 2.
    levels = levels_of(one_layer([[1.0, 0.25, 0.003, 0.0], [-1.0, 0.25, -0.003, 0.5]]).layers["fc1"])
    assert (levels.weights, levels.vanished, levels.largest) == (7, 2, 254)
    assert (levels.real, levels.whole) == (7, 5)


def test_as_many_levels_as_that_are_enough():
    # One large weight, and others of a few units each: 2, 4, ... beside 254, and 0.
    def network(levels):
        small = [2.0 * level / 254 for level in range(1, levels - 1)]
        more = [value + 0.4 / 254 for value in small]
        return one_layer([[1.0, 0.0, *small, *more]])

    assert levels_of(network(FEWEST_LEVELS).layers["fc1"]).whole == FEWEST_LEVELS
    assert is_quiet(network(FEWEST_LEVELS))
    with pytest.warns(PrecisionWarning, match="fc1: 28 distinct weights become 15 in integers, up to 254"):
        warn_of_lost_levels(network(FEWEST_LEVELS - 1))
    # What was few before is no loss.
    assert is_quiet(one_layer([[1.0, 0.5, 0.5, 1.0]]))


def test_the_share_that_may_vanish():
    large = np.linspace(0.1, 1, 30).tolist()

    def network(count):
        return one_layer([[*large, *[0.001] * count]])

    # 10 of 40 are a quarter.
    assert VANISHED_SHARE == 0.25
    assert is_quiet(network(10))
    with pytest.warns(PrecisionWarning, match="fc1: 11 of its 41 weights become 0.* reach 254 in magnitude"):
        warn_of_lost_levels(network(11))


def test_what_leaves_the_others_no_levels_can_shrink():
    network = one_layer([[100.0, *np.linspace(0.1, 1, 40).tolist()]])
    with pytest.warns(PrecisionWarning, match="its largest weights, its biases or its threshold .* shrink"):
        warn_of_lost_levels(network)
    network.layers["fc1"].weight.data.clamp_(max=1.0)
    assert is_quiet(network)


def test_few_bits_vanish_by_intent_and_can_be_more():
    torch.manual_seed(0)
    weight = torch.randn(20, 50).tolist()
    for bits in (2, 3, 4):
        assert is_quiet(one_layer(weight, weight_bits=bits))
    few = one_layer([[1.0] * 10 + [0.05] * 10 + [0.01 * index for index in range(1, 30)]], weight_bits=6)
    few.layers["fc1"].weight.data[0, 0] = 20.0
    with pytest.warns(PrecisionWarning, match="give it more weight_bits"):
        warn_of_lost_levels(few)
    few.layers["fc1"].weight.data[0, 0] = 1.0
    few.layers["fc1"].weight_bits = 8
    assert is_quiet(few)


def wide(**options):
    """A layer of which nothing is known leaves 15 levels: 800 inputs that add up."""
    torch.manual_seed(0)
    options = {"neuron": STILL, "input_max": 63} | options
    return dpap.networks.build("20FC-10FC", (800,), 8, **options).eval()


def small_inputs(samples=20):
    return np.random.default_rng(0).integers(0, 64, (samples, 800))


def test_calibration_gives_levels():
    network = wide()
    with pytest.warns(
        PrecisionWarning, match="fc1: .* nothing is known of its currents; calibrate it"
    ) as reported:
        graph = deploy.compile(network)
    assert [str(each.message)[:4] for each in reported] == ["fc1:"]
    assert graph["fc1"].observed_current is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrecisionWarning)
        dpap.calibrate(network, small_inputs() // 16)
        deploy.compile(network)
    assert levels_of(network.layers["fc1"]).whole > 4 * FEWEST_LEVELS


def test_coarser_inputs_or_a_smaller_margin_give_levels():
    advice = "fc1: .* fill their 24 bits with inputs up to 63; coarser inputs .* or a smaller range_margin"
    with pytest.warns(PrecisionWarning, match=advice):
        dpap.calibrate(wide(), small_inputs())
    assert is_quiet(dpap.calibrate(wide(input_max=3), small_inputs() // 16))
    network = wide(range_margin=64)
    with pytest.warns(PrecisionWarning, match=advice):
        dpap.calibrate(network, small_inputs() // 16)
    assert is_quiet(dpap.calibrate(network, small_inputs() // 16, margin=2))


def test_a_scale_of_its_own_can_be_chosen_by_samples():
    from lava.lib.dl.slayer.block import cuba

    torch.manual_seed(0)
    block = cuba.Dense({**NEURON, "scale": 4}, 50, 4)
    block.synapse.weight.data = torch.randn_like(block.synapse.weight)
    network = dpap.from_slayer(nn.Sequential(block), (50,), 10)
    with pytest.warns(PrecisionWarning, match=r"scale is its own; let dpap\.quantize choose"):
        warn_of_lost_levels(network)
    samples = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (20, 50, 10))).float()
    assert is_quiet(dpap.quantize(network, samples).network)


def test_no_weight_left_is_an_error():
    # Weights beside a bias of 4095 units for 13 bits: less than half a step.
    network = one_layer([[0.001, 0.002]], bias=True)
    network.layers["fc1"].bias.data.fill_(100.0)
    with pytest.raises(dpap.NetworkError, match=r"fc1: all its 2 weights become 0 in integers: .* shrink"):
        warn_of_lost_levels(network)
    with pytest.raises(deploy.CompileError, match="fc1: all its 2 weights become 0"):
        deploy.compile(network)
    with pytest.raises(dpap.NetworkError, match="all its 2 weights become 0"):
        dpap.calibrate(network, np.zeros((1, 2)))
    network.layers["fc1"].bias.data.fill_(0.1)
    assert is_quiet(network)
    deploy.compile(network)
    # Where all was pruned, nothing is lost.
    network.layers["fc1"].mask.zero_()
    assert is_quiet(network)


def test_networks_that_are_not_rounded_have_no_levels_to_lose():
    assert is_quiet(wide(weight_bits=None))


@pytest.mark.parametrize("name", ["mnist", "nmnist", "dvs-gesture", "mnist-dnn"])
def test_the_papers_networks_are_quiet_when_built(name):
    torch.manual_seed(0)
    assert is_quiet(dpap.networks.named(name))


def test_the_one_whose_currents_no_proof_bounds_asks_for_samples():
    # 784 analog inputs on 800 neurons, and nothing is known of the currents before training.
    torch.manual_seed(0)
    network = dpap.networks.named("mnist-2fc")
    with pytest.warns(PrecisionWarning, match=r"fc1: .*calibrate it by samples"):
        warn_of_lost_levels(network)
    images = np.random.default_rng(0).integers(0, 64, (20, 1, 28, 28))
    assert is_quiet(dpap.calibrate(network, images))
    torch.manual_seed(0)
    network = dpap.networks.named("mnist-2fc").train()
    network(torch.from_numpy(images))
    assert is_quiet(network)


def test_the_demo_is_quiet():
    torch.manual_seed(0)
    config = DemoConfig()
    assert is_quiet(dpap.networks.build(config.network, (1, 8, 8), config.time_steps, input_max=16))
