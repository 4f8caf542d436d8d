r"""Neural spiking traces.

.. math::
    S_i[t+1] &= \tau S_i[t] + o_i[t+1] & \text{fully connected (eq. 5)} \\
    S_c[t+1] &= \tau S_c[t] + \sum_{\text{positions}} o[t+1] & \text{convolution (eq. 6)}

A channel is one population. Source: Han et al. 2024, eq. 5 and 6, with :math:`\tau = 0.5`. Unrolled, the
trace at the last step is a weighted sum over time, :math:`S[T] = \sum_t \tau^{T-t} o[t]`, which is how it
is computed here: one reduction, with nothing kept between steps. In a network of ReLU neurons with a single
step it is their output, summed over positions in a convolution (eq. 18, 19).
"""

from functools import cache

import torch

from dpap.plasticity import trace_kernels


@cache
def trace_weights(
    steps: int, tau: float, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """The weights ``tau**(T - t)`` for t = 1 to T, of shape (T,); sent to a device once."""
    weights = torch.tensor([tau ** (steps - 1 - t) for t in range(steps)], dtype=torch.float32)
    return weights.to(device, dtype)


def population(activity: torch.Tensor) -> torch.Tensor:
    """Activity of every neuron, or of every channel summed over its positions: ``(T, N, F)``."""
    return activity.flatten(3).sum(3) if activity.dim() > 3 else activity


def spiking_trace(activity: torch.Tensor, steps: int, tau: float) -> torch.Tensor:
    """Trace of every neuron, or of every channel, after the last step.

    Parameters
    ----------
    activity : Tensor of shape (T or 1, N, F) or (T or 1, N, C, H, W)
        Spikes, pooled spikes or inputs; a single step stands for the same activity at every step.
    steps : int
        T.
    tau : float
        Decay of the trace a step, 0 to 1.

    Returns
    -------
    Tensor of shape (N, F) or (N, C)
    """
    if activity.is_cpu and activity.dtype == torch.float32 and activity.is_contiguous():
        return _compiled_trace(activity.detach(), steps, tau)
    summed = population(activity)
    weights = trace_weights(steps, tau, summed.device, summed.dtype)
    if len(summed) != steps:
        return summed[0] * weights.sum()
    return (weights @ summed.flatten(1)).view(summed.shape[1:])


def _compiled_trace(activity: torch.Tensor, steps: int, tau: float) -> torch.Tensor:
    lead, weights = activity.shape[:3], trace_weights(steps, tau)
    summed = activity
    if activity.dim() > 3:
        summed = activity.new_empty(lead)
        positions = activity[0, 0, 0].numel() if summed.numel() else 0
        trace_kernels.sum_positions(
            activity.numpy().reshape(summed.numel(), positions), summed.view(-1).numpy()
        )
    if len(activity) != steps:
        return summed[0] * weights.sum()
    trace = activity.new_zeros(lead[1:])
    trace_kernels.add_weighted(
        summed.view(steps, trace.numel()).numpy(), weights.numpy(), trace.view(-1).numpy()
    )
    return trace


def trace_history(series: torch.Tensor, tau: float) -> torch.Tensor:
    """The trace after every step (eq. 5), of the shape of ``series``: ``(N, T, F)``."""
    history = torch.empty_like(series)
    trace = torch.zeros_like(series[:, 0])
    for step in range(series.shape[1]):
        trace = tau * trace + series[:, step]
        history[:, step] = trace
    return history
