r"""The integer dynamics of the neuron in plain torch, on any device.

With :math:`\mathrm{rtz}` the truncation of a magnitude toward zero (source: lava-nc 0.10,
``AbstractPyLifModelFixed``; lava-dl 0.6, ``leaky_integrator._li_dynamics_fwd``):

.. math::
    u[t] &= \mathrm{wrap}(\mathrm{rtz}(u[t-1]\, k_u / 4096) + 64\, a[t]) \\
    v[t] &= \mathrm{clip}(\mathrm{rtz}(v[t-1] (1 - s[t-1])\, k_v / 4096) + u[t] + 64\, b) \\
    s[t] &= v[t] > 64\, \Theta

with

.. math::
    \mathrm{wrap}(x) = \begin{cases} y - 2^{24} & y > 2^{23} \\ y + 2^{24} & y \le -2^{23} \\ y & \text{else}
    \end{cases} \qquad
    \mathrm{clip}(x) = \min(\max(x, 1 - 2^{23}), 2^{23} - 1)

and y = x in 32 bits, :math:`y \equiv x \pmod{2^{32}}`: that is how Lava adds, and after a current has wrapped
once it may still be so large that the next sum leaves them.

``a`` is the synaptic sum of integer weights, ``b`` the bias, :math:`k = 4096 (1 - \alpha)` what a state
keeps, and :math:`\Theta` the threshold mantissa. This is the definition that the compiled kernels are
tested against, and the path for devices that they do not reach.
"""

import torch

from dpap.neurons.parameters import DECAY_BITS, STATE_LIMIT, STATE_SHIFT, VOLTAGE_LIMIT
from dpap.neurons.surrogate import derivative_torch


def decay(state: torch.Tensor, keep: int) -> torch.Tensor:
    """``rtz(state * keep / 4096)`` for an int64 state."""
    return state.sign() * ((state.abs() * keep) >> DECAY_BITS)


def wrap(current: torch.Tensor) -> torch.Tensor:
    """A current of more than 24 bits as Lava wraps it: to 32 bits, and by 2**24 once."""
    current = current.to(torch.int32).to(torch.int64)
    return current - 2 * STATE_LIMIT * (
        (current > STATE_LIMIT).to(current.dtype) - (current <= -STATE_LIMIT).to(current.dtype)
    )


def step(
    state: tuple[torch.Tensor, torch.Tensor],
    sums: torch.Tensor,
    bias: torch.Tensor | int,
    keeps: tuple[int, int],
    fire: int,
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor, torch.Tensor]:
    """One step of the neuron.

    Parameters
    ----------
    state : pair of int64 Tensors
        Current, and voltage after the reset.
    sums, bias : int64 Tensors, or 0
        Both in state units (times 64).
    keeps : pair of int
        What current and voltage keep in a step, in 1/4096.
    fire : int
        Threshold in state units.

    Returns
    -------
    state
        After the step.
    spikes, voltage : Tensors
        Spikes (bool), and the voltage before the reset.
    """
    current, voltage = state
    current = wrap(decay(current, keeps[0]) + sums)
    voltage = (decay(voltage, keeps[1]) + current + bias).clamp(-VOLTAGE_LIMIT, VOLTAGE_LIMIT)
    spikes = voltage > fire
    return (current, voltage * ~spikes), spikes, voltage


def forward(
    current: torch.Tensor,
    current_keep: int,
    voltage_keep: int,
    threshold: int,
    bias: torch.Tensor | None = None,
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
    bias : Tensor that broadcasts to one step of ``current``, optional
        Whole numbers; added to the voltage in every step, not to the current.

    Returns
    -------
    spikes, voltage : Tensors like ``current``
        Spikes (0 or 1) and voltages before the reset.
    """
    if not len(current):
        return torch.zeros_like(current), torch.zeros_like(current)
    drive = current.to(torch.int64) << STATE_SHIFT
    constant = 0 if bias is None else bias.to(torch.int64) << STATE_SHIFT
    state = torch.zeros_like(drive[0]), torch.zeros_like(drive[0])
    spikes, voltages = [], []
    for sums in drive:
        state, fired, voltage = step(
            state, sums, constant, (current_keep, voltage_keep), threshold << STATE_SHIFT
        )
        spikes.append(fired)
        voltages.append(voltage)
    return torch.stack(spikes).to(current.dtype), torch.stack(voltages).to(current.dtype)


def step_back(
    grads: tuple[torch.Tensor, torch.Tensor],
    grad_spikes: torch.Tensor,
    voltage: torch.Tensor,
    keeps: tuple[float, float],
    threshold: float,
    width: float,
    kind: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of :func:`backward`: gradients of current and voltage, from those of the step after."""
    grad_u, grad_v = grads
    slope = derivative_torch(voltage - threshold, width, kind)
    silent = (voltage <= threshold).to(grad_spikes.dtype)
    carried = keeps[1] * grad_v
    grad_v = (grad_spikes - carried * voltage) * slope + carried * silent
    return grad_v + keeps[0] * grad_u, grad_v


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
    if not len(grad_spikes):
        return grad
    grads = torch.zeros_like(grad_spikes[0]), torch.zeros_like(grad_spikes[0])
    for t in reversed(range(len(grad_spikes))):
        keeps = current_keep, voltage_keep
        grads = step_back(grads, grad_spikes[t], voltage[t], keeps, threshold, width, kind)
        grad[t] = grads[0]
    return grad
