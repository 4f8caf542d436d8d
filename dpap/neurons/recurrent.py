r"""Neurons that receive their own layer's spikes of the step before.

.. math::
    a[t] = a_{in}[t] + R\, s[t-1]

and the rest as in :mod:`dpap.neurons.reference`. Source: ``cuba.Recurrent`` of lava-dl 0.6, whose recurrent
synapses have a delay of one step too. Each step waits for the one before, so this is a loop over time in
torch, on any device.
"""

import torch

from dpap.neurons import reference
from dpap.neurons.function import Population
from dpap.neurons.parameters import STATE_SHIFT


class _RecurrentSpikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, recurrent, bias, population):
        constant = 0 if bias is None else bias.to(torch.int64) << STATE_SHIFT
        spikes = current.new_zeros(population.time_steps, *current.shape[1:])
        voltages = torch.empty_like(spikes)
        fired = torch.zeros_like(current[0])
        state = fired.to(torch.int64), fired.to(torch.int64)
        for t in range(population.time_steps):
            # Weights that are not rounded leave fractions, which a state has no room for.
            sums = (current[0 if len(current) == 1 else t] + fired @ recurrent.T).round_()
            state, fired, voltages[t] = reference.step(
                state, sums.to(torch.int64) << STATE_SHIFT, constant, population.keeps, population.fire
            )
            fired = fired.to(current.dtype)
            spikes[t] = fired
        ctx.population, ctx.constant_current, ctx.biased = population, len(current) == 1, bias is not None
        ctx.save_for_backward(recurrent, spikes, voltages)
        return spikes

    @staticmethod
    def backward(ctx, grad_spikes):
        recurrent, spikes, voltages = ctx.saved_tensors
        population = ctx.population
        keep_u, keep_v, level, width, unit, gain = (float(value) for value in population.real_constants)
        grad_current = torch.zeros_like(grad_spikes)
        grad_bias = torch.zeros_like(grad_spikes[0])
        grads = torch.zeros_like(grad_bias), torch.zeros_like(grad_bias)
        for t in reversed(range(len(grad_spikes))):
            incoming = grad_spikes[t]
            if t + 1 < len(grad_spikes):
                incoming = incoming + grad_current[t + 1] @ recurrent
            grads = reference.step_back(
                grads, incoming, voltages[t] * unit, (keep_u, keep_v), level, width, population.surrogate
            )
            grad_current[t] = grads[0] * gain
            grad_bias += grads[1] * gain
        grad_recurrent = torch.einsum("tni,tnj->ij", grad_current[1:], spikes[:-1])
        if ctx.constant_current:
            grad_current = grad_current.sum(0, keepdim=True)
        return grad_current, grad_recurrent, grad_bias.sum(0) if ctx.biased else None, None


def recurrent_lif(
    current: torch.Tensor,
    recurrent: torch.Tensor,
    population: Population,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Spikes of a recurrent population over time, exact in integers, differentiable by the surrogate.

    Parameters
    ----------
    current : float32 Tensor of shape (T, N, F) or (1, N, F)
        Sums over the synapses from the layer before: whole numbers. A single step is the same at every step.
    recurrent : float32 Tensor of shape (F, F)
        Integer weights, ``[post, pre]``.
    population : Population
    bias : float32 Tensor of shape (F,), optional
        Whole numbers.

    Returns
    -------
    float32 Tensor of shape (T, N, F)
    """
    return _RecurrentSpikes.apply(current, recurrent, bias, population)
