"""Quantisation after training: errors worked out by hand, and trained networks on real digits."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint
from dpap.data import Split, load_digits
from dpap.post_training.calibration import RANGES, Calibrator, candidates
from dpap.training import TrainingConfig, accuracy, train


def one_layer(weight, bits=None, **options):
    """A network of one dense layer with these weights."""
    weight = torch.tensor(weight)
    network = dpap.networks.build(
        f"{len(weight)}FC", (weight.shape[1],), 1, neuron=dpap.LIF(threshold=1.0), weight_bits=bits, **options
    )
    network.layers["fc1"].weight.data = weight
    return network.eval()


def test_what_is_whole_already_has_no_error():
    # 4 bits, range 0.7: levels are multiples of 0.1, and 320 units make the threshold of 1 exactly 320.
    result = dpap.quantize(one_layer([[0.7, -0.3, 0.2]]), torch.eye(3).unsqueeze(-1), weight_bits=4)
    layer = result.layers["fc1"]
    assert (layer.threshold, layer.weight_bits) == (320, 4)
    assert layer.weight_range == layer.largest_weight == pytest.approx(0.7)
    assert layer.sum_error == pytest.approx(0, abs=1e-6)
    assert layer.activity_error == 0
    integers = result.network.layers["fc1"].integer_parameters()
    assert integers.weight.tolist() == [[224, -96, 64]]


def test_the_error_of_a_sum_by_hand():
    # 4 bits, range 0.7: levels of 0.1, so 0.24 becomes 0.2 and nothing else changes. Inputs that have the
    # third synapse alone and the first alone: squares 0.04**2 over 0.7**2 + 0.24**2.
    network = one_layer([[0.7, -0.3, 0.24]])
    quantized = copy.deepcopy(network)
    block = quantized.layers["fc1"]
    block.weight_bits = 4
    calibrator = Calibrator(network.layers["fc1"], candidates(block)[:1])
    inputs = torch.tensor([[[1.0, 0, 0], [0, 0, 1.0]]])
    calibrator.see(inputs, torch.zeros(1, 2, 1))
    _, error = calibrator.best()
    assert error == pytest.approx(0.04 / (0.7**2 + 0.24**2) ** 0.5, rel=1e-4)


def test_inputs_decide_what_is_clipped():
    # With 3 bits and levels of 0.9 / 3 the small weights are lost; where the large one never has input, the
    # range shrinks so that they are kept.
    network = one_layer([[0.9, 0.1, -0.1, 0.12]])
    everything = torch.ones(1, 4, 1)
    small = torch.tensor([[0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]).unsqueeze(-1)
    wide = dpap.quantize(network, torch.tensor([[1.0, 0, 0, 0]]).unsqueeze(-1), weight_bits=3).layers["fc1"]
    narrow = dpap.quantize(network, small, weight_bits=3).layers["fc1"]
    assert wide.weight_range == pytest.approx(0.9)
    assert narrow.weight_range < 0.45
    assert narrow.sum_error < 0.2
    assert dpap.quantize(network, everything, weight_bits=8).layers["fc1"].sum_error < 0.01


def test_the_network_itself_stays_as_it_is():
    network = firing_network("4C3-BN-AP2-5FC", (1, 6, 6), 4, weight_bits=None)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    seen = []
    network.layers["conv1"].watch(lambda *activity: seen.append(activity))
    result = dpap.quantize(network, torch.randint(0, 2, (8, 1, 6, 6, 4)).float(), weight_bits=3)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert [block.weight_bits for block in network.synaptic_blocks()] == [None, None]
    assert len(network.layers["conv1"].observers) == 1
    assert not any(block.observers for block in result.network.synaptic_blocks())
    assert not seen


@settings(max_examples=8)
@given(
    bits=st.integers(1, 8),
    seed=st.integers(0, 1000),
    notation=st.sampled_from(["4C3-BN-AP2-6RFC-3FC", "3C3-Res(3C3)-SP2-DP0.5-4FC"]),
    largest=st.sampled_from([1, 16]),
)
def test_what_comes_out_compiles_exactly(bits, seed, notation, largest):
    network = firing_network(
        notation, (1, 6, 6), 4, input_max=largest, seed=seed, weight_bits=None, bias=True
    )
    generator = torch.Generator().manual_seed(seed)
    for block in network.synaptic_blocks():
        if block.prunable:
            block.mask[torch.rand(block.mask.shape, generator=generator) < 0.3] = 0
    inputs = torch.randint(0, largest + 1, (12, 1, 6, 6, 4), generator=generator).float()
    result = dpap.quantize(network, inputs, weight_bits=bits)
    for name, layer in result.layers.items():
        block = result.network.layers[name]
        integers = block.integer_parameters()
        # What was measured while a range was tried is what the network computes.
        assert integers.threshold == pytest.approx(layer.threshold, abs=1)
        assert integers.scale == pytest.approx(layer.scale, rel=1e-5)
        assert torch.equal(block.mask, network.layers[name].mask)
    graph = deploy.compile(result.network)
    assert deploy.verify(graph, result.network, random_inputs(network, 6), backends=("fast",)).mismatches == 0


def test_more_bits_change_less():
    network = firing_network("4C3-AP2-12FC-5FC", (1, 8, 8), 5, weight_bits=None)
    inputs = torch.randint(0, 2, (30, 1, 8, 8, 5)).float()
    errors = [
        [layer.sum_error for layer in dpap.quantize(network, inputs, weight_bits=bits).layers.values()]
        for bits in (2, 4, 7)
    ]
    for fewer, more in pairwise(errors):
        assert all(a > 2 * b for a, b in zip(fewer, more, strict=True))
    assert all(error < 0.03 for error in errors[-1])


def test_bits_by_layer():
    network = firing_network("4C3-AP2-12FC-5FC", (1, 8, 8), 5)
    inputs = torch.randint(0, 2, (4, 1, 8, 8, 5)).float()
    result = dpap.quantize(network, inputs, weight_bits={"fc1": 2})
    assert [block.weight_bits for block in result.network.synaptic_blocks()] == [8, 2, 8]
    with pytest.raises(dpap.NetworkError, match=r"'fc7'; the layers with weights are conv1, fc1, fc2"):
        dpap.quantize(network, inputs, weight_bits={"fc7": 2})
    with pytest.raises(dpap.NetworkError, match=r"weight_bits of fc1 is 9"):
        dpap.quantize(network, inputs, weight_bits={"fc1": 9})
    with pytest.raises(dpap.InputError, match="no calibration samples"):
        dpap.quantize(network, inputs[:0])


def test_constants_that_do_not_fit_are_refused_by_name():
    inputs = torch.ones(1, 2, 1)
    # A weight of 1e6 is 254 units, so the threshold of 1 is a small part of one.
    with pytest.raises(dpap.NetworkError, match=r"fc1: its threshold of 1 is 0\.000254 integer units"):
        dpap.quantize(one_layer([[1e6, 0.5]]), inputs)
    # A bias of 1e5 is 4094 units at most, and weights of 1 are then 0.04.
    network = one_layer([[1.0, -1.0]], bias=True)
    network.layers["fc1"].neuron = dpap.LIF(threshold=1000.0)
    network.layers["fc1"].bias.data[:] = 1e5
    with pytest.raises(dpap.NetworkError, match=r"fc1: all its weights become 0 with 8 bits"):
        dpap.quantize(network, inputs)


def test_rectified_units():
    torch.manual_seed(0)
    network = dpap.networks.build(
        "4C3-MP2-10FC-3FC", (1, 8, 8), 1, input_max=255, neuron=dpap.ReLU(), bias=True, weight_bits=None
    ).eval()
    images = torch.randint(0, 256, (20, 1, 8, 8)).float()
    fine, coarse = (dpap.quantize(network, images, weight_bits=bits) for bits in (8, 3))
    logits = network(images)
    for result, least, most in ((fine, 0, 0.05), (coarse, 0.05, 0.6)):
        change = (result.network(images) - logits).norm() / logits.norm()
        assert least < change < most
        assert result.layers["fc2"].activity_error == pytest.approx(change.item(), rel=1e-3)


def test_stock_blocks_without_a_quantizer(tmp_path):
    from lava.lib.dl.slayer.block import cuba

    torch.manual_seed(0)
    neuron = {"threshold": 0.5, "current_decay": 1.0, "voltage_decay": 0.8}
    stock = torch.nn.Sequential(
        cuba.Dense(dict(neuron), 20, 16, delay_shift=False, pre_hook_fx=None),
        cuba.Dense(dict(neuron), 16, 4, delay_shift=False, pre_hook_fx=None),
    )
    for block in stock:
        block.synapse.weight.data.abs_()
    network = dpap.from_slayer(stock, (20,), 6)
    assert [block.weight_bits for block in network.synaptic_blocks()] == [None, None]
    inputs = (torch.rand(40, 20, 6) < 0.3).float()
    theirs = stock(inputs)
    assert theirs.sum() > 0
    # SLAYER's currents and ours are rounded to different units: nearly all spikes are equal.
    assert (network.eval()(inputs) != theirs).float().mean() < 0.01
    result = dpap.quantize(network, inputs)
    assert result.layers["fc2"].activity_error < 0.2
    assert deploy.compile(result.network).neurons > 4
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert [block.weight_bits for block in loaded.synaptic_blocks()] == [None, None]
    assert torch.equal(loaded.eval()(inputs), network.eval()(inputs))


@pytest.fixture(scope="module")
def trained():
    """A network that learned real digits without rounding its weights."""
    train_split, test_split = load_digits()
    torch.manual_seed(1)
    network = dpap.networks.build("6C3-AP2-32FC-10FC", (1, 8, 8), 4, input_max=16, weight_bits=None)
    train(network, train_split, test_split, TrainingConfig(epochs=6, learning_rate=1e-2))
    return network.eval(), train_split, test_split


def test_digits_lose_little_to_eight_bits_and_more_to_one(trained):
    network, train_split, test_split = trained
    calibration = train_split.part(np.arange(128))
    drops = {}
    for bits in (8, 4, 1):
        result = dpap.quantize(network, calibration, weight_bits=bits, evaluation=test_split)
        assert result.original_accuracy == accuracy(network, test_split) > 0.85
        assert result.accuracy == accuracy(result.network, test_split)
        drops[bits] = result.accuracy_drop
        assert (result.samples, result.calibration_samples) == (450, 128)
    assert abs(drops[8]) < 0.01
    assert drops[8] - 0.01 < drops[4] < 0.1
    assert drops[1] > drops[4]
    # What is deployed is as accurate as what was measured.
    graph = deploy.compile(result.network)
    run = deploy.run(graph, test_split.over_time(4))
    assert run.accuracy(test_split.labels) == result.accuracy


def test_calibration_beats_the_largest_weight(trained):
    network, train_split, _ = trained
    result = dpap.quantize(network, train_split.part(np.arange(64)), weight_bits=3)
    assert len(RANGES) == 13
    for layer in result.layers.values():
        assert layer.weight_range <= layer.largest_weight
        assert layer.weight_range >= layer.largest_weight / 8 * 0.999
    assert any(layer.weight_range < layer.largest_weight for layer in result.layers.values())


def test_a_split_gives_what_its_inputs_give():
    network = firing_network("5FC-3FC", (4,), 3, weight_bits=None)
    inputs = np.random.default_rng(0).integers(0, 2, (9, 4, 3)).astype(np.uint8)
    split = Split(inputs, np.zeros(9, np.int64), 1, time_steps=3)
    one, other = (
        dpap.quantize(network, calibration, weight_bits=4)
        for calibration in (split, torch.from_numpy(inputs))
    )
    assert one.to_dict() == other.to_dict()
    assert one.accuracy_drop is None
