r"""Neural spiking traces.

.. math::
    S_i[t+1] &= \tau S_i[t] + o_i[t+1] & \text{fully connected (eq. 5)} \\
    S_c[t+1] &= \tau S_c[t] + \sum_{\text{positions}} o[t+1] & \text{convolution (eq. 6)}

A channel is one population. Source: Han et al. 2024, eq. 5 and 6, with :math:`\tau = 0.5`. Unrolled, the
trace at the last step is a weighted sum over time, :math:`S[T] = \sum_t \tau^{T-t} o[t]`, which is how it
is computed here: one reduction, with nothing kept between steps.
"""

from functools import cache

import torch


@cache
def trace_weights(
    steps: int, tau: float, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """The weights ``tau**(T - t)`` for t = 1 to T, of shape (T,); sent to a device once."""
    weights = torch.tensor([tau ** (steps - 1 - t) for t in range(steps)], dtype=torch.float32)
    return weights.to(device, dtype)


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
    population = activity.flatten(3).sum(3) if activity.dim() > 3 else activity
    weights = trace_weights(steps, tau, population.device, population.dtype)
    if len(population) != steps:
        return population[0] * weights.sum()
    return (weights @ population.flatten(1)).view(population.shape[1:])
