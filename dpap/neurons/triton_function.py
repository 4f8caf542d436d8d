"""The neuron as differentiable torch operations on CUDA, by :mod:`dpap.neurons.triton_launches`."""

from typing import TYPE_CHECKING

import torch

from dpap.neurons import triton_launches

if TYPE_CHECKING:
    from dpap.neurons.function import Population


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, bias, population):
        ctx.population = population
        ctx.save_for_backward(current, bias)
        spikes = current.new_empty(population.time_steps, *current.shape[1:])
        triton_launches.lif_forward(current, bias, population, spikes=spikes)
        return spikes

    @staticmethod
    def backward(ctx, grad_spikes):
        current, bias = ctx.saved_tensors
        gradients = triton_launches.lif_backward(grad_spikes.contiguous(), current, bias, ctx.population)
        return *gradients, None


class _PooledSpikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, bias, population, window):
        ctx.population, ctx.window = population, window
        ctx.save_for_backward(current, bias)
        pooled, counts = triton_launches.lif_pool_forward(current, bias, population, window)
        ctx.mark_non_differentiable(counts)
        return pooled, counts

    @staticmethod
    def backward(ctx, grad_pooled, _grad_counts):
        current, bias = ctx.saved_tensors
        gradients = triton_launches.lif_backward(
            grad_pooled.contiguous(), current, bias, ctx.population, ctx.window
        )
        return *gradients, None, None


def lif(current: torch.Tensor, population: "Population", bias: torch.Tensor | None = None) -> torch.Tensor:
    """:func:`dpap.neurons.lif` on CUDA.

    A ``bias`` of whole numbers, (C,), joins the voltages of currents of shape (T or 1, N, C, ...).
    """
    return _Spikes.apply(current.contiguous(), _contiguous(bias), population)


def lif_pool(
    current: torch.Tensor, population: "Population", window: int, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`dpap.neurons.lif_pool` on CUDA, with a bias of shape (C,)."""
    if window <= triton_launches.LARGEST_WINDOW:
        return _PooledSpikes.apply(current.contiguous(), _contiguous(bias), population, window)
    spikes = lif(current, population, bias)
    pooled = torch.nn.functional.avg_pool2d(spikes.flatten(0, 1), window, divisor_override=1)
    return pooled.unflatten(0, spikes.shape[:2]), spikes.detach().sum((3, 4))


def membrane(
    current: torch.Tensor, population: "Population", bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`dpap.neurons.membrane` on CUDA, with a bias of shape (C,)."""
    current = current.detach().contiguous()
    spikes = current.new_empty(population.time_steps, *current.shape[1:])
    voltage = torch.empty_like(spikes)
    triton_launches.lif_forward(current, _contiguous(bias), population, spikes=spikes, voltage=voltage)
    return spikes, voltage


def _contiguous(bias: torch.Tensor | None) -> torch.Tensor | None:
    return None if bias is None else bias.contiguous()
