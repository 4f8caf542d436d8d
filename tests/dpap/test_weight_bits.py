"""Weights of 1 to 8 bits: which integers they are, and that every part of the way knows them."""

import numpy as np
import pytest
import torch
from factories import change_sealed, firing_network, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint
from dpap.neurons import LIF
from dpap.neurons.parameters import ARITHMETIC_LIMIT, SUM_LIMIT
from dpap.quantization.scaling import weight_scale
from dpap.quantization.straight_through import quantize_weight
from dpap.quantization.weight_bits import coarsest_step, highest_level, narrowed, weight_grid
from dpap.training.run_config import make_run_config

BINARY = {"input_bound": 1, "input_divisor": 1, "time_steps": 8, "name": "fc1"}


def integers(weight, bits, **bounds):
    weight = narrowed(torch.tensor([weight]), bits)
    scale, step, *_ = weight_grid(weight, LIF(), bits, **{**BINARY, **bounds})
    return quantize_weight(weight, scale, step)[0].tolist(), scale, step


def test_levels_and_steps():
    assert [highest_level(bits) for bits in range(1, 9)] == [1, 1, 3, 7, 15, 31, 63, 127]
    assert [coarsest_step(bits) for bits in range(1, 9)] == [128, 128, 64, 32, 16, 8, 4, 2]


def test_four_bits():
    # The largest weight is level 7 of step 32, so 1 is 224 / 0.7 = 320 units, 10 levels.
    weights, scale, step = integers([0.7, -0.3, 0.21, 0.04], 4)
    assert weights == [224, -96, 64, 0]
    assert (scale, step) == (pytest.approx(320), 32)


def test_two_bits_clip_a_large_weight():
    # The mean magnitude is 1, so the range ends at 2, which is 128 units: half of it rounds up.
    weights, scale, step = integers([2.4, 0.4, -1.1, 0.1], 2)
    assert weights == [128, 0, -128, 0]
    assert (scale, step) == (pytest.approx(64), 128)


def test_one_bit_is_the_sign():
    # The mean magnitude of what is not zero is 0.5, which is 128 units.
    weights, scale, _ = integers([0.9, -0.1, 0.0, 0.5], 1)
    assert weights == [128, -128, 0, 128]
    assert scale == pytest.approx(256)


def test_a_step_that_the_sums_have_no_room_for_is_halved():
    # 14 inputs up to 255: 7 * step * 14 * 255 plus rounding, step / 2 * 14 * 255, must be below 131072.
    # That is 26775 * step: 4 at most.
    weights, _, step = integers([0.7] * 14, 4, input_bound=255, input_divisor=255)
    assert step == 4
    assert weights == [28.0] * 14


def test_eight_bits_are_what_they_were():
    weight = torch.tensor([[0.3, -0.7, 0.111]])
    assert narrowed(weight, 8) is weight
    scale, step, *_ = weight_grid(weight, LIF(), 8, **BINARY)
    assert step == 2
    assert scale == weight_scale(weight, LIF(), **BINARY)


@settings(max_examples=60)
@given(
    bits=st.integers(1, 8),
    seed=st.integers(0, 10_000),
    fan_in=st.integers(1, 60),
    largest_input=st.sampled_from([1, 4, 63]),
    heavy=st.booleans(),
)
def test_integers_are_levels_within_the_bounds(bits, seed, fan_in, largest_input, heavy):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, fan_in, generator=generator)
    if heavy:
        weight = weight**3
    bounds = {"input_bound": largest_input, "input_divisor": largest_input, "time_steps": 8, "name": "fc1"}
    real = narrowed(weight, bits)
    scale, step, proven, _ = weight_grid(real, LIF(), bits, **bounds)
    whole = quantize_weight(real, scale, step).long()
    levels = whole // step
    assert (whole % step == 0).all() and (step & (step - 1)) == 0 and 2 <= step <= coarsest_step(bits)
    assert levels.abs().max() <= highest_level(bits)
    assert levels.abs().max() == highest_level(bits) or step == 2
    largest_sum = max(whole.clamp(min=0).sum(1).max(), -whole.clamp(max=0).sum(1).min()) * largest_input
    assert largest_sum < (SUM_LIMIT if proven else ARITHMETIC_LIMIT)
    assert ((whole - real.double() * scale).abs() <= step / 2 * (1 + 1e-6)).all()


def test_a_range_sets_the_scale_where_no_proof_leaves_8_bits():
    # 1000 weights of 1 and 1000 of -1 with inputs up to 15: a proof leaves 131071 / 15 / 1000 = 8.7 units, of
    # which the rounded weights 8 sum to 8000 x 15 = 120,000. That is no half of 254.
    weight = torch.cat([torch.ones(1, 1000), -torch.ones(1, 1000)], 1)
    bounds = {"input_bound": 15, "input_divisor": 15, "time_steps": 8, "name": "fc1"}
    proof = weight_scale(weight, LIF(), **bounds)
    assert quantize_weight(weight, proof).unique().tolist() == [-8, 8]
    # Without a range they keep 7 levels: 14 units.
    assert weight_grid(weight, LIF(), 8, **bounds) == (14, 2, False, True)
    # A current of 40 was seen, and twice that may come: 131071 / (80 x 15) = 109.2 units.
    grid = weight_grid(weight, LIF(), 8, **bounds, reached=40.0)
    assert grid == (pytest.approx(109.226, abs=1e-3), 2, False, True)
    assert weight_grid(weight, LIF(), 8, **bounds, reached=40.0, margin=1.0).scale == pytest.approx(
        218.452, abs=1e-3
    )
    # With a small range weights fill their 8 bits, and with a large one the proof says more. Currents are
    # still observed: a smaller range could raise the scale again.
    assert weight_grid(weight, LIF(), 8, **bounds, reached=1.0).scale == 254
    assert weight_grid(weight, LIF(), 8, **bounds, reached=1e4) == (proof, 2, True, True)
    # 4 bits, of which the proof for 3000 weights leaves no half: at the coarsest step that the range leaves,
    # 7 x 8 = 56 below 109.
    assert weight_grid(torch.ones(1, 3000), LIF(), 4, **bounds, reached=40.0) == (56, 8, False, True)


def test_a_proof_of_few_levels_does_not_keep_samples_from_giving_more():
    # 200 weights of 1 and inputs up to 15: the proof leaves 42 units, more than the 14 of 7 levels, and less
    # than half of 254.
    network = dpap.networks.build("1FC", (200,), 4, input_max=15, neuron=LIF(current_decay=1.0))
    (block,) = network.synaptic_blocks()
    block.weight.data.fill_(1.0)
    assert block.integer_parameters().weight.unique().tolist() == [42]
    # One input of 15 at a time: currents of 1, and twice that may come, for which 8 bits are enough.
    samples = np.zeros((3, 200), np.int64)
    samples[[0, 1, 2], [3, 5, 7]] = 15
    assert dpap.calibrate(network, samples) is network
    assert block.integer_parameters().weight.unique().tolist() == [254]
    with pytest.raises(dpap.ActivationOverflow, match="fc1"):
        network.eval()(torch.full((1, 200), 15.0))


def test_what_no_scale_can_bound_is_refused():
    # 600 weights of 2 and inputs up to 65535 are 78,642,000, more than 32-bit arithmetic holds.
    bounds = {"input_bound": 65535, "input_divisor": 65535, "time_steps": 8, "name": "fc1"}
    with pytest.raises(
        dpap.NetworkError, match=r"fc1: all its weights become 0.* 600 synapses.*65535.*input_max"
    ):
        weight_grid(torch.ones(1, 600), LIF(), 8, **bounds, reached=1.0)


def test_the_gradient_goes_straight_through():
    for bits in (1, 3):
        weight = torch.tensor([[5.0, -0.2, 0.1]], requires_grad=True)
        quantize_weight(narrowed(weight, bits), 100.0).sum().backward()
        assert weight.grad.tolist() == [[100.0, 100.0, 100.0]]


NETWORKS = {
    "spiking": ("4C3-BN-AP2-6C3-8RFC-4FC", {"bias": True}),
    "residual": ("4C3-Res(4C3)-SP2-4FC", {}),
}


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_few_bits_compile_exactly(name, bits):
    notation, options = NETWORKS[name]
    network = firing_network(notation, (1, 8, 8), 6, input_max=16, weight_bits=bits, **options)
    for block in network.synaptic_blocks():
        _, step, *_ = _grid_of(block)
        assert len(block.integer_parameters().weight.unique()) <= 2 * highest_level(bits) + 1
        assert (block.integer_parameters().weight % step == 0).all()
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 12), backends=("fast",))
    assert certificate.mismatches == 0
    assert certificate.backends["fast"][graph.output.name].spikes > 0


def _grid_of(block):
    weight, bias = block.real_parameters()
    return weight_grid(
        narrowed(weight, block.weight_bits),
        block.neuron,
        block.weight_bits,
        input_bound=block.input_bound,
        input_divisor=block.input_divisor,
        time_steps=block.time_steps,
        name=block.name,
        bias=bias,
    )


def test_lava_runs_few_bits_with_the_same_spikes():
    network = firing_network("3C3-AP2-8FC-3FC", (1, 6, 6), 5, weight_bits=3)
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 3), backends=("lava",))
    assert certificate.mismatches == 0
    assert certificate.backends["lava"]["fc2"].spikes > 0


@pytest.mark.parametrize("bits", [1, 4])
def test_rectified_units_have_few_bits_too(bits):
    torch.manual_seed(0)
    network = dpap.networks.build(
        "4C3-MP2-10FC-3FC", (1, 8, 8), 1, input_max=255, neuron=dpap.ReLU(), weight_bits=bits
    )
    for block in network.synaptic_blocks():
        weight = block.integer_parameters().weight
        assert len(weight.unique()) <= 2 * highest_level(bits) + 1
    assert torch.isfinite(network(torch.randint(0, 256, (2, 1, 8, 8)))).all()


def test_training_with_few_bits_moves_weights():
    network = firing_network("4C3-BN-6FC-3FC", (1, 6, 6), 4, weight_bits=2).train()
    inputs = torch.randint(0, 2, (8, 1, 6, 6, 4)).float()
    network(inputs).sum().backward()
    assert all(block.weight.grad.abs().sum() > 0 for block in network.synaptic_blocks())


def test_without_bits_weights_are_as_they_are_and_do_not_compile():
    network = firing_network("4C3-AP2-6RFC-3FC", (1, 6, 6), 5, weight_bits=None)
    block = network.layers["conv1"]
    whole = block.integer_parameters()
    assert torch.allclose(whole.weight / whole.scale, block.weight, rtol=1e-6)
    inputs = torch.randint(0, 2, (4, 1, 6, 6, 5)).float()
    spikes = network(inputs)
    assert set(spikes.unique().tolist()) <= {0.0, 1.0} and spikes.sum() > 0
    with pytest.raises(deploy.CompileError, match=r"conv1: its weights are not rounded .*dpap.quantize"):
        deploy.compile(network)
    with pytest.raises(dpap.NetworkError, match=r"conv1: its weights are not rounded"):
        dpap.to_slayer(network)


def test_a_checkpoint_keeps_the_bits(tmp_path):
    network = firing_network("4C3-AP2-5FC", (1, 6, 6), 4, weight_bits=3)
    network.layers["fc1"].weight_bits = None
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert [block.weight_bits for block in loaded.synaptic_blocks()] == [3, None]
    other = tmp_path / "other.safetensors"

    def change(plain, _tensors):
        plain["network"]["weight_bits"]["conv1"] = 9

    change_sealed(tmp_path / "checkpoint.safetensors", other, change)
    with pytest.raises(
        dpap.InputError, match="weight_bits of conv1 is 9; expected a whole number from 1 to 8"
    ):
        load_checkpoint(other)


@pytest.mark.parametrize("bits", [0, 9, 2.5, True, "4"])
def test_other_bits_are_refused(bits):
    with pytest.raises(dpap.NetworkError, match=r"weight_bits is .*; expected a whole number from 1 to 8"):
        dpap.networks.build("5FC", (4,), 3, weight_bits=bits)


def test_a_run_is_configured_with_bits():
    assert make_run_config({}, {"network.weight_bits": 4}).whole().network.weight_bits == 4
    assert make_run_config({}, {"network.weight_bits": None}).network.weight_bits is None
    with pytest.raises(dpap.InputError, match=r"network.weight_bits.* is 9"):
        make_run_config({}, {"network.weight_bits": 9})
