"""The neuron as differentiable torch operations."""

from dataclasses import dataclass

import numpy as np
import torch

from dpap.neurons import kernels, reference
from dpap.neurons.accelerator import accelerated
from dpap.neurons.parameters import DECAY_UNITY, LIF, STATE_SHIFT
from dpap.neurons.surrogate import SURROGATES


@dataclass(frozen=True)
class Population:
    """Neurons of one layer with its integer constants.

    Attributes
    ----------
    neuron : LIF
        Decays and surrogate.
    threshold : int
        Threshold mantissa.
    scale : float
        Integer units of a synaptic sum for one unit of real membrane potential; the gradient is that of the
        real-valued network.
    time_steps : int
        Steps; a current of a single step is the same at all of them.
    """

    neuron: LIF
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
    def forward(ctx, current, population):
        ctx.population = population
        ctx.save_for_backward(current)
        if current.device.type != "cpu":
            full = current.expand(population.time_steps, *current.shape[1:])
            return reference.forward(full, *population.keeps, population.threshold)[0]
        spikes = current.new_empty(population.time_steps, *current.shape[1:])
        untouched = np.empty((0, 0), np.float32)
        kernels.lif_forward(_flat(current), *population.keeps, population.fire, _flat(spikes), untouched)
        return spikes

    @staticmethod
    def backward(ctx, grad_spikes):
        (current,), population = ctx.saved_tensors, ctx.population
        if current.device.type != "cpu":
            return _reference_gradient(grad_spikes, current, population), None
        grad = torch.empty_like(current)
        kernels.lif_backward(
            _flat(grad_spikes.contiguous()),
            _flat(current),
            population.keeps,
            population.fire,
            population.real_constants,
            population.surrogate,
            _flat(grad),
        )
        return grad, None


class _PooledSpikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, population, window):
        ctx.population, ctx.window = population, window
        ctx.save_for_backward(current)
        samples, channels, height, width = current.shape[1:]
        lead = population.time_steps, samples, channels
        pooled = current.new_empty(*lead, height // window, width // window)
        counts = current.new_empty(*lead)
        kernels.lif_pool_forward(
            _planes(current), *population.keeps, population.fire, window, _planes(pooled), _flat(counts)
        )
        ctx.mark_non_differentiable(counts)
        return pooled, counts

    @staticmethod
    def backward(ctx, grad_pooled, _grad_counts):
        (current,), population = ctx.saved_tensors, ctx.population
        grad = torch.empty_like(current)
        kernels.lif_pool_backward(
            _planes(grad_pooled.contiguous()),
            _planes(current),
            population.keeps,
            population.fire,
            ctx.window,
            population.real_constants,
            population.surrogate,
            _planes(grad),
        )
        return grad, None, None


def _reference_gradient(grad_spikes, current, population):
    full = current.expand(population.time_steps, *current.shape[1:])
    _, voltage = reference.forward(full, *population.keeps, population.threshold)
    keep_u, keep_v, level, width, unit, gain = (float(value) for value in population.real_constants)
    grad = reference.backward(grad_spikes, voltage * unit, keep_u, keep_v, level, width, population.surrogate)
    grad = grad * gain
    return grad.sum(0, keepdim=True) if len(current) == 1 else grad


def _flat(tensor: torch.Tensor) -> np.ndarray:
    """(T, ...) tensor as a (T, M) array that shares its memory."""
    steps = tensor.shape[0]
    return tensor.detach().numpy().reshape(steps, tensor[0].numel() if steps else 0)


def _planes(tensor: torch.Tensor) -> np.ndarray:
    """(T, N, C, H, W) tensor as a (T, N * C, H, W) array that shares its memory."""
    return tensor.detach().flatten(1, 2).numpy()


def lif(current: torch.Tensor, population: Population) -> torch.Tensor:
    r"""Spikes of a population over time, exact in integers, differentiable by the surrogate.

    Parameters
    ----------
    current : float32 Tensor of shape (T, ...) or (1, ...)
        Synaptic sums :math:`a[t]` of integer weights: whole numbers below 2**17 in magnitude
        (:func:`dpap.quantization.weight_scale` sees to it). A single step is the same at every step.
    population : Population

    Returns
    -------
    float32 Tensor of shape (T, ...)
        0 or 1.
    """
    device = accelerated(current)
    if device is not None:
        return device.lif(current, population)
    return _Spikes.apply(current.contiguous(), population)


def lif_pool(current: torch.Tensor, population: Population, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes summed over windows, as :func:`lif` and a sum pool after it, without storing the spikes.

    Parameters
    ----------
    current : float32 Tensor of shape (T or 1, N, C, H, W)
    population : Population
    window : int
        Side of the window and stride; what does not fill a window is dropped.

    Returns
    -------
    pooled : float32 Tensor of shape (T, N, C, H // window, W // window)
    counts : float32 Tensor of shape (T, N, C)
        Spikes of each channel over all positions, without gradient.
    """
    device = accelerated(current)
    if device is not None:
        return device.lif_pool(current, population, window)
    if current.device.type == "cpu":
        return _PooledSpikes.apply(current.contiguous(), population, window)
    spikes = lif(current, population)
    steps, samples = spikes.shape[:2]
    pooled = torch.nn.functional.avg_pool2d(spikes.flatten(0, 1), window, divisor_override=1)
    return pooled.unflatten(0, (steps, samples)), spikes.detach().sum((3, 4))


def membrane(current: torch.Tensor, population: Population) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes and integer voltages before the reset, both like ``lif``'s result; no gradient."""
    device = accelerated(current)
    if device is not None:
        return device.membrane(current, population)
    current = current.detach().contiguous()
    if current.device.type != "cpu":
        full = current.expand(population.time_steps, *current.shape[1:])
        return reference.forward(full, *population.keeps, population.threshold)
    spikes = current.new_empty(population.time_steps, *current.shape[1:])
    voltage = torch.empty_like(spikes)
    kernels.lif_forward(_flat(current), *population.keeps, population.fire, _flat(spikes), _flat(voltage))
    return spikes, voltage
