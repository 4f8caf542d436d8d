"""Batch normalisation of synaptic sums."""

import pytest
import torch
from plain_loop import plain_lif

import dpap
from dpap.blocks import Conv, Dense
from dpap.quantization.scaling import largest_scale
from dpap.quantization.straight_through import quantize_weight


def normalized(steps=5, seed=0, neuron=None, **options):
    torch.manual_seed(seed)
    block = Conv("conv1", (2, 6, 5), 4, 3, neuron or dpap.LIF(), steps, 1, norm=True, **options)
    block.norm.weight.data.uniform_(0.5, 1.5)
    block.norm.bias.data.uniform_(-0.2, 0.5)
    return block


def events(steps=5, samples=8, high=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high + 1, (steps, samples, 2, 6, 5), generator=generator).float()


def real_sums(block, inputs):
    """Sums of the real weights at the block's training scale, and of real inputs."""
    weight = block.masked_weight
    scale = largest_scale(weight, "conv1")
    quantized = quantize_weight(weight, scale) / scale
    return block.synapse(inputs.flatten(0, 1) / block.input_divisor, quantized)


@pytest.mark.parametrize("input_divisor", [1, 4])
def test_running_statistics_are_torchs(input_divisor):
    block = normalized(input_bound=input_divisor, input_divisor=input_divisor)
    torchs = torch.nn.BatchNorm2d(4)
    for seed in range(3):
        inputs = events(seed=seed, high=input_divisor)
        block(inputs)
        torchs(real_sums(block, inputs))
    torch.testing.assert_close(block.norm.running_mean, torchs.running_mean)
    torch.testing.assert_close(block.norm.running_var, torchs.running_var)
    assert block.norm.running_mean.abs().min() > 0


def test_training_normalises_by_the_batch():
    block, inputs = normalized(), events()
    sums, integers = block._normalized_sums(inputs)
    unit = integers.scale * block.input_divisor
    expected = torch.nn.functional.batch_norm(
        real_sums(block, inputs), None, None, block.norm.weight, block.norm.bias, training=True
    ).unflatten(0, (5, 8))
    # Rounding to whole numbers is half a unit.
    torch.testing.assert_close(sums / unit, expected, rtol=0, atol=0.51 / unit)
    spikes = block(inputs)
    assert 0 < spikes.mean() < 1
    level = dpap.LIF(threshold=integers.threshold / unit)
    plain = plain_lif(lambda x, s: x, expected.double(), level)
    assert (spikes.double() != plain).double().mean() < 0.01


def test_training_gradients_are_those_of_the_plain_float_computation():
    # A surrogate that is smooth, since rounding moves the voltages a little.
    neuron = dpap.LIF(surrogate="arctan")
    block, inputs = normalized(neuron=neuron), events()
    spikes = block(inputs)
    grad = torch.randn(spikes.shape)
    spikes.backward(grad)
    names = ("weight", "norm.weight", "norm.bias")
    ours = {name: block.get_parameter(name).grad.clone() for name in names}
    block.zero_grad()
    expected = torch.nn.functional.batch_norm(
        real_sums(block, inputs), None, None, block.norm.weight, block.norm.bias, training=True
    ).unflatten(0, (5, 8))
    with torch.no_grad():
        population = block.dynamics.population(block, block.integer_parameters())
    level = neuron.model_copy(update={"threshold": population.threshold / population.scale})
    plain = plain_lif(lambda x, s: x, expected.double(), level)
    (plain * grad).sum().backward()
    for name in names:
        theirs = block.get_parameter(name).grad
        # A spike in a thousand falls on the other side of the threshold, and its reset with it.
        cosine = torch.nn.functional.cosine_similarity(ours[name].flatten(), theirs.flatten(), 0)
        assert cosine > 0.99, name
        assert ours[name].norm().item() == pytest.approx(theirs.norm().item(), rel=0.1)


def test_evaluation_is_the_float_computation_up_to_quantisation():
    block, inputs = normalized(), events()
    block(inputs)
    block.eval()
    integers, unit = block.integer_parameters(), block.integer_parameters().scale
    sums = block.sums_over_time(inputs, integers.weight) + integers.bias.view(-1, 1, 1)
    norm = block.norm
    expected = torch.nn.functional.batch_norm(
        block.synapse(inputs.flatten(0, 1), block.masked_weight),
        *(norm.running_mean, norm.running_var, norm.weight, norm.bias),
    ).unflatten(0, (5, 8))
    # 18 even weights are each at most one unit off, and the bias half of one.
    torch.testing.assert_close(sums / unit, expected, rtol=0, atol=18.5 / unit)
    assert 0 < block(inputs).mean() < 1


def test_frozen_training_is_evaluation():
    block, inputs = normalized(), events()
    block(inputs)
    block.norm.frozen = True
    before = block.norm.running_mean.clone()
    spikes = block(inputs)
    assert torch.equal(spikes, block.eval()(inputs))
    assert torch.equal(block.norm.running_mean, before)
    spikes.sum().backward()
    assert block.norm.weight.grad.abs().sum() > 0
    block.norm.frozen = False
    assert not torch.equal(block.train()(inputs), spikes)


@pytest.mark.parametrize("mean", [-9.0, 9.0])
@pytest.mark.parametrize("beta", [-9.0, 9.0])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_a_pruned_channel_is_silent_whatever_its_statistics(training, frozen, beta, mean):
    block = normalized().train(training)
    block.norm.frozen = frozen
    block.norm.bias.data[1], block.norm.running_mean[1] = beta, mean
    block.mask[1] = 0
    assert block(events())[:, :, 1].sum() == 0


@pytest.mark.parametrize("training", [False, True])
def test_a_single_value_has_no_variance(training):
    block = Dense("fc1", 3, 2, dpap.LIF(), 1, norm=True).train(training)
    block.norm.running_mean.fill_(-5.0)
    before = block.norm.running_mean.clone()
    # By the running statistics: sums + 5 is far above the threshold, except where all synapses are gone.
    block.mask[1] = 0
    assert block(torch.ones(1, 1, 3)).tolist() == [[[1, 0]]]
    assert torch.equal(block.norm.running_mean, before)
    assert block(torch.ones(1, 0, 3)).shape == (1, 0, 2)
