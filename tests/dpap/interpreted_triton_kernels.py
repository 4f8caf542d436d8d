"""The kernels of :mod:`dpap.neurons.triton_kernels` in Triton's interpreter, against those for the CPU.

Not collected with the other tests: :mod:`test_triton_kernels` runs this file in a process of its own, since
the interpreter must be chosen before Triton is imported.
"""

import pytest
import torch
import triton_interpreter
from factories import firing_network
from hypothesis import given, settings
from hypothesis import strategies as st

import dpap
from dpap.blocks import exact_sums
from dpap.neurons import LIF, SURROGATES, Population, function, reference, triton_function
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT
from dpap.neurons.surrogate import derivative_torch

triton_interpreter.complete()

# The smooth surrogates are computed in another order than on the CPU; all else is rounded alike.
CLOSE = {"rtol": 1e-5, "atol": 1e-7}


def compare(got, expected, surrogate):
    if surrogate == "rectangle":
        assert torch.equal(got, expected)
    else:
        torch.testing.assert_close(got, expected, **CLOSE)


decays = st.one_of(
    st.sampled_from([0.0, 1.0, 0.8]), st.integers(0, DECAY_UNITY).map(lambda mantissa: mantissa / DECAY_UNITY)
)


@st.composite
def cases(draw):
    """A population and a seed for what it is given."""
    surrogate = draw(st.sampled_from(SURROGATES))
    neuron = LIF(
        current_decay=draw(decays),
        voltage_decay=draw(decays),
        surrogate=surrogate,
        surrogate_width=draw(st.sampled_from([0.4, 1.0, 1.7])),
    )
    scale = draw(st.floats(20, 600))
    population = Population(neuron, draw(st.integers(1, 600)), scale, draw(st.integers(1, 9)))
    return population, draw(st.booleans()), draw(st.integers(0, 1 << 30))


def drawn_current(population, constant, seed, shape):
    generator = torch.Generator().manual_seed(seed)
    steps = 1 if constant else population.time_steps
    magnitude = 3 * population.threshold + 10
    return torch.randint(-magnitude, 2 * magnitude, (steps, *shape), generator=generator).float(), generator


@settings(max_examples=10, deadline=None)
@given(case=cases(), shape=st.sampled_from([(1, 1), (2, 150), (3, 4, 3, 5), (2, 3, 11, 7)]))
def test_lif(case, shape):
    population, constant, seed = case
    current, generator = drawn_current(population, constant, seed, shape)
    ours, plain = current.clone().requires_grad_(), current.clone().requires_grad_()
    got, expected = triton_function.lif(ours, population), function.lif(plain, population)
    assert torch.equal(got, expected)
    for found, wanted in zip(
        triton_function.membrane(current, population), function.membrane(current, population), strict=True
    ):
        assert torch.equal(found, wanted)
    grad = torch.randn(got.shape, generator=generator)
    got.backward(grad)
    expected.backward(grad)
    compare(ours.grad, plain.grad, population.neuron.surrogate)


@settings(max_examples=10, deadline=None)
@given(
    case=cases(),
    shape=st.sampled_from([(2, 3, 8, 8), (1, 2, 7, 9), (3, 1, 6, 7), (1, 2, 37, 34), (1, 1, 2, 2)]),
    window=st.integers(1, 4),
)
def test_lif_pool(case, shape, window):
    population, constant, seed = case
    current, generator = drawn_current(population, constant, seed, shape)
    ours, plain = current.clone().requires_grad_(), current.clone().requires_grad_()
    got, expected = (
        module.lif_pool(leaf, population, window)
        for module, leaf in ((triton_function, ours), (function, plain))
    )
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])
    grad = torch.randn(got[0].shape, generator=generator)
    got[0].backward(grad)
    expected[0].backward(grad)
    compare(ours.grad, plain.grad, population.neuron.surrogate)


def biased(current, bias, population):
    """Spikes and voltages as the equations read: the bias joins the voltage and not the current."""
    added = (bias.long() << STATE_SHIFT).reshape(-1, *(1,) * (current.dim() - 3))
    u = v = torch.zeros_like(current[0], dtype=torch.int64)
    spikes, voltages = [], []
    for step in current.expand(population.time_steps, *current.shape[1:]):
        u = reference.decay(u, population.keeps[0]) + (step.long() << STATE_SHIFT)
        v = reference.decay(v, population.keeps[1]) + u + added
        voltages.append(v)
        spikes.append(v > population.fire)
        v = v * ~spikes[-1]
    return torch.stack(spikes).float(), torch.stack(voltages)


def plain_gradients(grad_spikes, spikes, voltage, population):
    """Gradients of every step's current and voltage, as the equations read."""
    keep_u, keep_v, level, width, unit, gain = (float(value) for value in population.real_constants)
    real = voltage.float() * unit
    slope = derivative_torch(real - level, width, population.surrogate)
    grad_u = grad_v = torch.zeros_like(real[0])
    currents, voltages = [], []
    for t in reversed(range(len(spikes))):
        carried = keep_v * grad_v
        grad_v = (grad_spikes[t] - carried * real[t]) * slope[t] + carried * (1 - spikes[t])
        grad_u = grad_v + keep_u * grad_u
        currents.append(grad_u * gain)
        voltages.append(grad_v * gain)
    return torch.stack(currents[::-1]), torch.stack(voltages[::-1])


@settings(max_examples=10, deadline=None)
@given(case=cases(), shape=st.sampled_from([(4, 5), (2, 3, 5, 4), (3, 7, 8, 8)]), integer=st.booleans())
def test_bias(case, shape, integer):
    population, constant, seed = case
    current, generator = drawn_current(population, constant, seed, shape)
    magnitude = population.threshold
    bias = torch.randint(-magnitude, magnitude, shape[1:2], generator=generator)
    bias = bias.int() if integer else bias.float().requires_grad_()
    current.requires_grad_()
    spikes = triton_function.lif(current, population, bias)
    expected, voltage = biased(current.detach(), bias.detach(), population)
    assert torch.equal(spikes, expected)

    grad = torch.randn(spikes.shape, generator=generator)
    spikes.backward(grad)
    currents, voltages = plain_gradients(grad, spikes.detach(), voltage, population)
    wanted = currents.sum(0, keepdim=True) if constant else currents
    torch.testing.assert_close(current.grad, wanted, rtol=1e-4, atol=1e-5)
    if not integer:
        summed = voltages.sum([axis for axis in range(voltages.dim()) if axis != 2])
        torch.testing.assert_close(bias.grad, summed, rtol=1e-4, atol=1e-4)


def test_a_pool_with_bias_is_the_pool_of_the_biased_spikes():
    torch.manual_seed(0)
    population = Population(LIF(current_decay=0.4), 150, 300.0, 5)
    current = torch.randint(-200, 300, (5, 2, 3, 7, 8)).float()
    # The last is above the threshold: places beyond the border, if they counted, would fire at every step.
    bias = torch.tensor([-60.0, 0.0, 200.0])
    leaves = [[tensor.clone().requires_grad_() for tensor in (current, bias)] for _ in range(2)]
    spikes = triton_function.lif(leaves[0][0], population, leaves[0][1])
    expected = torch.nn.functional.avg_pool2d(spikes.flatten(0, 1), 2, divisor_override=1)
    pooled, counts = triton_function.lif_pool(leaves[1][0], population, 2, leaves[1][1])
    assert torch.equal(pooled.flatten(0, 1), expected)
    assert torch.equal(counts, spikes.sum((3, 4)))
    assert counts[:, :, 2].sum() > counts[:, :, 0].sum() > 0
    grad = torch.randn_like(expected)
    expected.backward(grad)
    pooled.flatten(0, 1).backward(grad)
    for plain, fused in zip(*leaves, strict=True):
        assert torch.equal(plain.grad, fused.grad)


def test_a_window_too_large_for_a_program_is_pooled_after():
    torch.manual_seed(0)
    population = Population(LIF(), 100, 200.0, 2)
    ours = torch.randint(-100, 200, (2, 1, 2, 40, 41)).float().requires_grad_()
    plain = ours.detach().clone().requires_grad_()
    got, expected = triton_function.lif_pool(ours, population, 33), function.lif_pool(plain, population, 33)
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])
    got[0].sum().backward()
    expected[0].sum().backward()
    assert torch.equal(ours.grad, plain.grad)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 2, 5, 5)])
def test_nothing_to_run(shape):
    population = Population(LIF(), 1, 1.0, 4)
    current = torch.zeros(4, *shape, requires_grad=True)
    spikes = triton_function.lif(current, population)
    assert spikes.shape == (4, *shape)
    spikes.sum().backward()
    assert current.grad.shape == current.shape
    if len(shape) == 4:
        pooled, counts = triton_function.lif_pool(current, population, 2)
        assert pooled.shape == (4, 0, 2, 2, 2)
        assert counts.shape == (4, 0, 2)


@pytest.mark.parametrize("static", [True, False])
def test_a_network_spikes_and_learns_alike_through_the_kernels_of_a_gpu(static, monkeypatch):
    network = firing_network("5C3-AP2-6C3-AP3-12FC-4FC", (2, 12, 14), 4, input_max=3).train()
    inputs = torch.randint(0, 4, (3, 2, 12, 14) if static else (3, 2, 12, 14, 4)).float()
    pruner = dpap.DPAP(network)
    results = []
    for gpu in (False, True):
        if gpu:
            monkeypatch.setattr(function, "accelerated", lambda current: triton_function)
            monkeypatch.setattr(exact_sums, "conv2d", exact_sums.gathered_conv2d)
        network.zero_grad()
        outputs = network(inputs)
        (outputs * torch.arange(1.0, 5)).sum().backward()
        traces = [layer.observed for layer in pruner.layers.values() if layer.prunable]
        results.append((outputs, traces, [weight.grad for weight in network.parameters()]))
        pruner.after_batch()
    (expected, traces, grads), (got, found, others) = results
    assert expected.sum() > 0
    assert torch.equal(got, expected)
    for one, other in zip(traces, found, strict=True):
        assert torch.equal(one, other)
    for one, other in zip(grads, others, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4 * one.abs().max().item())
