"""Ranges of currents by samples: which they are, and what scales follow from them."""

import copy
import math

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states
from stock import NEURON
from torch import nn

import deploy
import dpap
from deploy.ir.currents import current_ranges
from dpap.data.split import Split
from dpap.errors import PrecisionWarning

STILL = dpap.LIF(current_decay=0.0, voltage_decay=0.5)
"""Currents that add up over all steps."""


def two_neurons(neuron=STILL, **options):
    """Four inputs up to 255, eight steps, and two neurons."""
    network = dpap.networks.build("2FC", (4,), 8, input_max=255, neuron=neuron, **options)
    network.layers["fc1"].weight.data = torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.5, 0.25, 0.0, 0.0]])
    return network.eval()


def held(*samples):
    """Inputs of four channels, the same at every step, ``(N, 4)``."""
    return torch.tensor(samples, dtype=torch.float32)


def ranges(network):
    return [block.observed_range for block in network.synaptic_blocks()]


def not_proven(network):
    return [block.name for block in network.synaptic_blocks() if not block.integer_parameters().proven]


def test_a_range_scale_and_integers_by_hand():
    network = two_neurons()
    block = network.layers["fc1"]
    # Weights of one sign sum to 2, so inputs up to 255 in 8 steps leave
    # 131071 / (255 x 8 x 2) = 32.1 of 254 units.
    before = block.integer_parameters()
    assert (before.scale, before.proven) == (pytest.approx(131071 / 4080), True)
    assert before.weight.tolist() == [[32, -32, 32, -32], [16, 8, 0, 0]]
    # 100 on one input adds up to 800; at 32 of 32.125 units for 1 that is 25,600 / (32.125 x 255) = 3.125.
    dpap.calibrate(network, held([100, 0, 0, 0]))
    assert block.observed_range == pytest.approx(25_600 / (131071 / 4080 * 255))
    # Twice that may come: 131071 / (2 x 3.125 x 255) = 82.2 units, and of 0.25 it is 20.6.
    after = block.integer_parameters()
    assert after.scale == pytest.approx(82.2399, abs=1e-3)
    assert after.weight.tolist() == [[82, -82, 82, -82], [42, 20, 0, 0]]
    assert (after.threshold, after.proven) == (int(0.5 * after.scale * 255), False)
    # 199 add up to 8 x 199 x 82 = 130,544, and 200 to 131,200.
    network(held([0, 0, 199, 0]))
    with pytest.raises(dpap.ActivationOverflow, match=r"fc1.*neuron 0 is 131200 in sample 1 at step 7"):
        network(held([0, 0, 0, 0], [200, 0, 0, 0]))
    with pytest.raises(
        dpap.ActivationOverflow, match=r"neuron 0 is -131200 in sample 0 at step 7.*calibrate"
    ):
        network(held([0, 200, 0, 0]))


def test_the_margin_is_how_much_larger_currents_may_become():
    for margin in (1.0, 1.5, 4.0):
        network = dpap.calibrate(two_neurons(), held([100, 0, 0, 0]), margin=margin)
        assert network.range_margin == margin
        scale = network.layers["fc1"].integer_parameters().scale
        assert scale == pytest.approx(max(131071 / (margin * 3.125 * 255), 32.125), rel=0.03)
        network(held([100, 0, 0, 0]))


def test_all_forms_of_samples_give_the_same():
    samples = random_inputs(two_neurons(), 150, seed=3) // 2
    steady = np.repeat(samples[:, :1], 8, axis=1)
    last = np.moveaxis(samples, 1, -1)
    images = last.astype(np.uint8)[:, :, None, None]
    labels = np.zeros(150, np.int64)

    def calibrated(inputs, shape=(4,)):
        torch.manual_seed(0)
        network = dpap.networks.build("3FC-2FC", shape, 8, input_max=255, neuron=STILL)
        return ranges(dpap.calibrate(network, inputs))

    expected = calibrated(samples)
    assert expected[0]
    assert calibrated(torch.from_numpy(samples)) == calibrated(torch.from_numpy(last)) == expected
    assert calibrated(last.astype(np.uint8)) == calibrated(last.tolist()) == expected
    split = Split(images, labels, 255, time_steps=8)
    assert calibrated(split, (4, 1, 1)) == expected
    constant = calibrated(steady)
    assert constant != expected
    assert calibrated(samples[:, 0]) == calibrated(torch.from_numpy(samples[:, 0])) == constant
    assert calibrated(Split(images[..., 0], labels, 255), (4, 1, 1)) == constant


def test_a_proof_is_kept():
    network = firing_network("4C3-AP2-6FC-3FC", (1, 8, 8), 4)
    before = [block.integer_parameters() for block in network.synaptic_blocks()]
    assert all(integers.proven for integers in before)
    dpap.calibrate(network, random_inputs(network, 5))
    for block, integers in zip(network.synaptic_blocks(), before, strict=True):
        assert block.integer_parameters().scale == integers.scale
        assert torch.equal(block.integer_parameters().weight, integers.weight)


def test_a_proof_that_leaves_weights_less_than_their_bits_gives_way():
    # The first dense layer of the network for MNIST: by proof its weights reach 60 of 254.
    torch.manual_seed(0)
    network = dpap.networks.build("300FC-10FC", (1960,), 8, input_max=4)
    block = network.layers["fc1"]
    before = block.integer_parameters()
    assert before.proven and before.weight.abs().max() < 127
    inputs = np.random.default_rng(0).integers(0, 5, (20, 1960))
    dpap.calibrate(network, inputs)
    after = block.integer_parameters()
    assert not after.proven
    assert after.weight.abs().max() > 4 * before.weight.abs().max() or after.weight.abs().max() == 254


@pytest.mark.parametrize("bits", [8, 4, 2, None])
@pytest.mark.parametrize(
    "notation",
    [
        "30FC-20FC-5FC",
        "30RFC-20RFC-5FC",
        "6C3-BN-AP2-6C3-BN-MP2-20FC-5FC",
        "6C3-Delay3-SP2-Res(6C3-6C3)-Delay2-20FC-5FC",
    ],
)
@pytest.mark.parametrize("margin", [1.0, 2.0])
def test_the_samples_cause_no_overflow(notation, bits, margin):
    network = firing_network(
        notation, (1, 8, 8), 12, input_max=255, neuron=STILL, weight_bits=bits, range_margin=margin
    )
    with_random_states(network)
    inputs = random_inputs(network, 20) // 16
    dpap.calibrate(network, inputs)
    # With few bits a proof may leave weights all their levels.
    assert not_proven(network) or bits in (2, 4)
    network(torch.from_numpy(np.moveaxis(inputs, 1, -1)))
    found = ranges(network)
    assert ranges(dpap.calibrate(network, inputs)) == found
    if bits is not None:
        certificate = deploy.verify(deploy.compile(network), network, inputs, backends=("fast",))
        assert certificate.mismatches == 0
        observed = [known.observed for known in certificate.ranges.values() if known.basis == "calibration"]
        assert all(value < 1 << 17 for value in observed)
        assert observed or bits < 8


def test_a_network_in_training_stays_so_and_learns_nothing():
    network = two_neurons().train()
    before = copy.deepcopy(network.layers["fc1"].weight)
    assert dpap.calibrate(network, held([100, 0, 0, 0])) is network
    assert network.training and all(layer.training for layer in network.layers.values())
    assert torch.equal(network.layers["fc1"].weight, before)
    assert not any(block.calibrating for block in network.synaptic_blocks())


def test_statistics_of_a_normalisation_stay():
    network = with_random_states(firing_network("4C3-BN-5FC", (1, 8, 8), 8, input_max=255, neuron=STILL))
    before = copy.deepcopy(network.layers["conv1"].norm.state_dict())
    dpap.calibrate(network.train(), random_inputs(network, 5))
    after = network.layers["conv1"].norm.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_silent_samples_leave_no_range():
    network = dpap.calibrate(two_neurons(), held([0, 0, 0, 0]))
    assert ranges(network) == [None]
    assert network.layers["fc1"].integer_parameters().proven


def test_rectified_units_are_left_alone():
    network = dpap.networks.build("6FC-4FC", (4,), 2, input_max=255, neuron=dpap.ReLU())
    before = copy.deepcopy(network.state_dict())
    integers = [block.integer_parameters() for block in network.synaptic_blocks()]
    dpap.calibrate(network, held([255, 0, 3, 9]), margin=3)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    for block, old in zip(network.synaptic_blocks(), integers, strict=True):
        assert torch.equal(block.integer_parameters().weight, old.weight)


def stock(gain):
    from lava.lib.dl.slayer.block import cuba

    torch.manual_seed(0)
    dense = cuba.Dense(NEURON, 50, 4)
    dense.synapse.weight.data.fill_(gain)
    return nn.Sequential(dense)


def test_a_scale_of_its_own_stays_and_its_range_is_known():
    # 50 weights of 1 are 64 units each: with inputs of 1 at every step of 40 sums are 3200, currents that
    # keep 3072 of 4096 reach almost four times that. Inputs may be up to 255.
    network = dpap.from_slayer(stock(1.0), (50,), 40, 255, check=False)
    (block,) = network.synaptic_blocks()
    before = block.integer_parameters()
    assert not before.proven
    dpap.calibrate(network, np.ones((3, 50)))
    after = block.integer_parameters()
    assert after.scale == before.scale == 64
    gain = 1 / (1 - block.neuron.current_keep / 4096)
    assert block.observed_range * 64 * block.input_divisor == pytest.approx(3200 * gain, rel=0.01)
    graph = deploy.compile(network)
    assert current_ranges(graph)["fc1"].observed == math.ceil(block.observed_range * 64 * block.input_divisor)
    with pytest.raises(dpap.ActivationOverflow, match=r"fc1: .*let dpap.quantize choose scales"):
        dpap.calibrate(network, np.full((3, 50), 255))
    # It is as it was before.
    assert block.observed_range * 64 * block.input_divisor == pytest.approx(3200 * gain, rel=0.01)
    assert not block.calibrating


@pytest.mark.parametrize(
    ("samples", "margin", "message"),
    [
        (np.zeros((0, 4)), None, "no calibration samples"),
        ([], None, "no calibration samples"),
        (held([1, 2, 3, 4]), 0.5, "range_margin is 0.5; expected a number from 1 on"),
        (held([1, 2, 3, 4]), math.nan, "range_margin is nan"),
        (held([1, 2, 3, 4]), True, "range_margin is True"),
        (np.zeros((3, 5)), None, r"input of shape \(3, 5\)"),
        (np.zeros((3, 7, 4)), None, r"input of shape \(3, 7, 4\)"),
        (np.full((3, 4), 0.5), None, "expected whole numbers from 0 to 255"),
        (np.full((3, 4), 256), None, "expected whole numbers from 0 to 255"),
        (np.full((3, 4), np.nan), None, "expected whole numbers from 0 to 255"),
        (7, None, "samples are a int; expected a Split"),
        ({"images": 1}, None, "samples are a dict"),
        (["one"], None, "samples are a list"),
        ([[1, 2], [3]], None, "samples are a list"),
    ],
)
def test_wrong_arguments(samples, margin, message):
    network = dpap.calibrate(two_neurons(), held([100, 0, 0, 0]))
    before = ranges(network)
    with pytest.raises(dpap.InputError, match=message):
        dpap.calibrate(network, samples, margin=margin)
    assert (ranges(network), network.range_margin) == (before, 2.0)
    assert not network.layers["fc1"].calibrating


def test_what_is_no_network():
    with pytest.raises(dpap.InputError, match="this is a Linear; expected a dpap Network"):
        dpap.calibrate(nn.Linear(4, 2), held([1, 2, 3, 4]))


def test_other_devices_and_precisions_are_taken():
    network = two_neurons().double()
    dpap.calibrate(network, held([100, 0, 0, 0]).double())
    assert network.layers["fc1"].current_range.dtype == torch.float64
    assert network.layers["fc1"].observed_range == pytest.approx(3.125, abs=1e-3)


def test_calibration_says_where_levels_are_few():
    network = two_neurons()
    network.layers["fc1"].weight.data = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    network.layers["fc1"].weight.data[0] = torch.tensor([40.0, 40.0, 40.0, 40.0])
    with pytest.warns(PrecisionWarning, match="fc1: "):
        dpap.calibrate(network, held([255, 255, 255, 255]), margin=8)
