"""The neuron as differentiable torch operations."""

from dataclasses import dataclass

import numpy as np
import torch

from dpap.neurons import kernels, reference
from dpap.neurons.accelerator import accelerated
from dpap.neurons.neuron import SpikingNeuron, sum_windows
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT
from dpap.neurons.surrogate import SURROGATES


@dataclass(frozen=True)
class Population:
    """Neurons of one layer with its integer constants.

    Attributes
    ----------
    neuron : SpikingNeuron
        Decays and surrogate.
    threshold : int
        Threshold mantissa.
    scale : float
        Integer units of a synaptic sum for one unit of real membrane potential; the gradient is that of the
        real-valued network.
    time_steps : int
        Steps; a current of a single step is the same at all of them.
    """

    neuron: SpikingNeuron
    threshold: int
    scale: float
    time_steps: int

    @property
    def fire(self) -> int:
        """Threshold in state units."""
        return self.threshold << STATE_SHIFT

    @property
    def keeps(self) -> tuple[int, int]:
        """What current and voltage keep in a step, in 1/4096."""
        return self.neuron.current_keep, self.neuron.voltage_keep

    @property
    def surrogate(self) -> int:
        """Position of the surrogate in :data:`dpap.neurons.SURROGATES`."""
        return SURROGATES.index(self.neuron.surrogate)

    @property
    def real_constants(self) -> tuple[np.float32, ...]:
        """Keeps, threshold, width, unit of a voltage and gain of the gradient, in real units."""
        keep_u, keep_v = (keep / DECAY_UNITY for keep in self.keeps)
        # The level in real units is the mantissa's: the comparison that fired was with that.
        level, unit, gain = self.threshold / self.scale, 1 / (self.scale * (1 << STATE_SHIFT)), 1 / self.scale
        values = (keep_u, keep_v, level, self.neuron.surrogate_width, unit, gain)
        return tuple(np.float32(value) for value in values)


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, bias, population):
        ctx.population = population
        ctx.save_for_backward(current, bias)
        if current.device.type != "cpu":
            return _reference(current, bias, population)[0]
        spikes = current.new_empty(population.time_steps, *current.shape[1:])
        untouched = np.empty((0, 0), np.float32)
        drive = _drive(bias, current)
        kernels.lif_forward(
            _flat(current), drive, *population.keeps, population.fire, _flat(spikes), untouched
        )
        return spikes

    @staticmethod
    def backward(ctx, grad_spikes):
        (current, bias), population = ctx.saved_tensors, ctx.population
        if current.device.type != "cpu":
            grad = _reference_gradient(grad_spikes, current, bias, population)
        else:
            grad = torch.empty_like(current)
            kernels.lif_backward(
                _flat(grad_spikes.contiguous()),
                _flat(current),
                _drive(bias, current),
                population.keeps,
                population.fire,
                population.real_constants,
                population.surrogate,
                _flat(grad),
            )
        return grad, _bias_gradient(grad, bias, population), None


class _PooledSpikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, bias, population, window):
        ctx.population, ctx.window = population, window
        ctx.save_for_backward(current, bias)
        samples, channels, height, width = current.shape[1:]
        lead = population.time_steps, samples, channels
        pooled = current.new_empty(*lead, height // window, width // window)
        counts = current.new_empty(*lead)
        kernels.lif_pool_forward(
            _planes(current),
            _drive(bias, current),
            *population.keeps,
            population.fire,
            window,
            _planes(pooled),
            _flat(counts),
        )
        ctx.mark_non_differentiable(counts)
        return pooled, counts

    @staticmethod
    def backward(ctx, grad_pooled, _grad_counts):
        (current, bias), population = ctx.saved_tensors, ctx.population
        grad = torch.empty_like(current)
        kernels.lif_pool_backward(
            _planes(grad_pooled.contiguous()),
            _planes(current),
            _drive(bias, current),
            population.keeps,
            population.fire,
            ctx.window,
            population.real_constants,
            population.surrogate,
            _planes(grad),
        )
        return grad, _bias_gradient(grad, bias, population), None, None


def _reference(current, bias, population):
    full = current.expand(population.time_steps, *current.shape[1:])
    broad = None if bias is None else _broadcast(bias, current)
    current_keep, voltage_keep = population.keeps
    return reference.forward(full, current_keep, voltage_keep, population.threshold, broad)


def _reference_gradient(grad_spikes, current, bias, population):
    _, voltage = _reference(current, bias, population)
    keep_u, keep_v, level, width, unit, gain = (float(value) for value in population.real_constants)
    grad = reference.backward(grad_spikes, voltage * unit, keep_u, keep_v, level, width, population.surrogate)
    grad = grad * gain
    return grad.sum(0, keepdim=True) if len(current) == 1 else grad


def _bias_gradient(grad_current, bias, population):
    r"""The sum of :math:`g_v[t] = g_a[t] - k_u g_a[t+1]` over time, samples and positions."""
    if bias is None:
        return None
    keep = population.keeps[0] / DECAY_UNITY
    summed = grad_current.sum(0)
    if keep > 0:
        # Every step is at hand: _steps_for_bias has seen to it.
        summed = (1 - keep) * summed + keep * grad_current[0]
    return summed.sum([axis for axis in range(summed.dim()) if axis != 1])


def _steps_for_bias(current, bias, population):
    """A constant current step by step where the bias's gradient needs each step."""
    if bias is not None and len(current) == 1 and population.keeps[0] > 0:
        return current.expand(population.time_steps, *current.shape[1:])
    return current


def _broadcast(bias: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
    return bias.reshape(-1, *(1,) * (current.dim() - 3))


def _drive(bias: torch.Tensor | None, current: torch.Tensor) -> np.ndarray:
    """What the bias adds to the voltage of each neuron of one sample, in state units."""
    if bias is None:
        return np.empty(0, np.int32)
    neurons = _broadcast(bias.detach(), current).expand(current.shape[2:])
    return neurons.to(torch.int32).flatten().numpy() << STATE_SHIFT


def _flat(tensor: torch.Tensor) -> np.ndarray:
    """(T, ...) tensor as a (T, M) array that shares its memory."""
    steps = tensor.shape[0]
    return tensor.detach().numpy().reshape(steps, tensor[0].numel() if steps else 0)


def _planes(tensor: torch.Tensor) -> np.ndarray:
    """(T, N, C, H, W) tensor as a (T, N * C, H, W) array that shares its memory."""
    return tensor.detach().flatten(1, 2).numpy()


def lif(current: torch.Tensor, population: Population, bias: torch.Tensor | None = None) -> torch.Tensor:
    r"""Spikes of a population over time, exact in integers, differentiable by the surrogate.

    Parameters
    ----------
    current : float32 Tensor of shape (T, N, ...) or (1, N, ...)
        Synaptic sums :math:`a[t]` of integer weights: whole numbers below 2**17 in magnitude
        (:func:`dpap.quantization.scaling.weight_scale` sees to it). A single step is the same at every step.
    population : Population
    bias : float32 Tensor of shape (channels,) or (neurons,), optional
        Whole numbers, one for each entry of the current's third axis.

    Returns
    -------
    float32 Tensor of shape (T, N, ...)
        0 or 1.
    """
    device = accelerated(current)
    if device is not None:
        return device.lif(current, population, bias)
    current = _steps_for_bias(current, bias, population)
    return _Spikes.apply(current.contiguous(), bias, population)


def lif_pool(
    current: torch.Tensor, population: Population, window: int, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes summed over windows, as :func:`lif` and a sum pool after it, without storing the spikes.

    Parameters
    ----------
    current : float32 Tensor of shape (T or 1, N, C, H, W)
    population : Population
    window : int
        Side of the window and stride; what does not fill a window is dropped.
    bias : float32 Tensor of shape (C,), optional
        As in :func:`lif`.

    Returns
    -------
    pooled : float32 Tensor of shape (T, N, C, H // window, W // window)
    counts : float32 Tensor of shape (T, N, C)
        Spikes of each channel over all positions, without gradient.
    """
    device = accelerated(current)
    if device is not None:
        return device.lif_pool(current, population, window, bias)
    if current.device.type == "cpu":
        current = _steps_for_bias(current, bias, population)
        return _PooledSpikes.apply(current.contiguous(), bias, population, window)
    return sum_windows(lif(current, population, bias), window)


def membrane(
    current: torch.Tensor, population: Population, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes and integer voltages before the reset, both like ``lif``'s result; no gradient."""
    device = accelerated(current)
    if device is not None:
        return device.membrane(current, population, bias)
    current = current.detach().contiguous()
    if current.device.type != "cpu":
        return _reference(current, bias, population)
    spikes = current.new_empty(population.time_steps, *current.shape[1:])
    voltage = torch.empty_like(spikes)
    drive = _drive(bias, current)
    kernels.lif_forward(
        _flat(current), drive, *population.keeps, population.fire, _flat(spikes), _flat(voltage)
    )
    return spikes, voltage
