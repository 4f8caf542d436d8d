r"""The integer dynamics of the neuron in plain torch, on any device.

With :math:`\mathrm{rtz}` the truncation of a magnitude toward zero (source: lava-nc 0.10,
``AbstractPyLifModelFixed``; lava-dl 0.6, ``leaky_integrator._li_dynamics_fwd``):

.. math::
    u[t] &= \mathrm{rtz}(u[t-1]\, k_u / 4096) + 64\, a[t] \\
    v[t] &= \mathrm{rtz}(v[t-1] (1 - s[t-1])\, k_v / 4096) + u[t] \\
    s[t] &= v[t] > 64\, \Theta

``a`` is the synaptic sum of integer weights, :math:`k = 4096 (1 - \alpha)` what a state keeps, and
:math:`\Theta` the threshold mantissa. This is the definition that the compiled kernels are tested against,
and the path for devices that they do not reach.
"""

import torch

from dpap.neurons.parameters import DECAY_BITS, STATE_SHIFT
from dpap.neurons.surrogate import derivative_torch


def decay(state: torch.Tensor, keep: int) -> torch.Tensor:
    """``rtz(state * keep / 4096)`` for an int64 state."""
    return state.sign() * ((state.abs() * keep) >> DECAY_BITS)


def forward(
    current: torch.Tensor, current_keep: int, voltage_keep: int, threshold: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the neuron over time.

    Parameters
    ----------
    current : Tensor of shape (T, ...)
        Synaptic sums, whole numbers in any dtype.
    current_keep, voltage_keep : int
        What a state keeps in a step, in 1/4096.
    threshold : int
        Threshold mantissa.

    Returns
    -------
    spikes, voltage : Tensors like ``current``
        Spikes (0 or 1) and voltages before the reset.
    """
    drive = current.to(torch.int64) << STATE_SHIFT
    u = torch.zeros_like(drive[0]) if len(drive) else None
    v = u
    spikes, voltages = [], []
    for step in drive:
        u = decay(u, current_keep) + step
        v = decay(v, voltage_keep) + u
        fired = v > (threshold << STATE_SHIFT)
        spikes.append(fired)
        voltages.append(v)
        v = v * ~fired
    if not spikes:
        return torch.zeros_like(current), torch.zeros_like(current)
    return torch.stack(spikes).to(current.dtype), torch.stack(voltages).to(current.dtype)


def backward(
    grad_spikes: torch.Tensor,
    voltage: torch.Tensor,
    current_keep: float,
    voltage_keep: float,
    threshold: float,
    width: float,
    kind: int,
) -> torch.Tensor:
    r"""Gradient of the loss with respect to the synaptic sums.

    The derivative of the real-valued dynamics of :class:`dpap.neurons.LIF` through time, reset
    included, with the surrogate in place of :math:`\partial s/\partial v`:

    .. math::
        g_v[t] &= \left(g_s[t] - k_v v[t]\, g_v[t+1]\right) \sigma'(v[t]) + k_v (1 - s[t])\, g_v[t+1] \\
        g_a[t] &= g_u[t] = g_v[t] + k_u\, g_u[t+1]

    All arguments in real units (``voltage`` and ``threshold`` scaled alike, keeps between 0 and 1).
    """
    grad = torch.zeros_like(grad_spikes)
    grad_v = torch.zeros_like(grad_spikes[0]) if len(grad_spikes) else None
    grad_u = grad_v
    for t in reversed(range(len(grad_spikes))):
        slope = derivative_torch(voltage[t] - threshold, width, kind)
        silent = (voltage[t] <= threshold).to(grad.dtype)
        carried = voltage_keep * grad_v
        grad_v = (grad_spikes[t] - carried * voltage[t]) * slope + carried * silent
        grad_u = grad_v + current_keep * grad_u
        grad[t] = grad_u
    return grad
