r"""The dynamics of sigma-delta units in whole numbers.

With :math:`A[t]` the sum :math:`\sigma[t] + b` in integers (weights times messages, summed over time),
:math:`\Theta` the threshold in the same units, :math:`k` a shift, and :math:`y[t]` the activation that was
last sent, 0 before the first step:

.. math::
    x[t] &= \max(A[t], 0) \quad (A[t] \text{ where the unit is not rectified}) \\
    m[t] &= \lfloor (x[t] - y[t-1])\, 2^{-k} \rfloor \text{ and } y[t] = x[t]
            \text{ where } |x[t] - y[t-1]| \ge \Theta \\
    m[t] &= 0 \text{ and } y[t] = y[t-1] \text{ elsewhere}

The residue of SLAYER and Lava is :math:`r = x - y`. Source: lava-dl 0.6, ``slayer.neuron.sigma_delta`` and
``slayer.axon.Delta``; lava-nc 0.10, ``PySigmaDeltaModelFixed``, whose ``state_exp`` is :math:`k`.
:math:`\Theta` is at least :math:`2^k`, one message, as in SLAYER; with a smaller one Lava would send changes
that round down to 0 and are lost.

A receiver sums messages over time. That sum, :math:`X[t] = \sum_{t' \le t} m[t']`, is what layers here pass
on: then synaptic sums of X are :math:`\sigma`, a maximum over a window is that of activations, not of
changes, and an input that is the same at all steps has X the same at all steps. The two forms are each
other's differences and sums (:func:`messages`). As each message is rounded down, X falls behind x by up to
one message with every change.
"""

import torch

STATE_LIMIT = 1 << 31
"""States stay below this: Lava's fixed-point model holds them in 32 bits."""

MESSAGE_LIMIT = 1 << 23
"""Sums of messages over time stay below this in magnitude: Lava's messages have 24 bits."""


def decoded(state: torch.Tensor, threshold: int, shift: int, rectified: bool = True) -> torch.Tensor:
    r"""The activations that receivers hold, for the states of units over time.

    The gradient goes straight through rounding and threshold, :math:`\partial X[t]/\partial A[t] = 2^{-k}`
    where :math:`A[t] > 0` or the unit is not rectified. It is that of SLAYER, whose gradient of messages,
    :math:`g_x[t] = g_m[t] - g_m[t+1]`, is the same thing in the differences.

    Parameters
    ----------
    state : float32 or float64 Tensor of shape (T, N, ...) or (1, N, ...)
        :math:`A[t]`, whole numbers that the dtype holds. A single step stands for all.
    threshold : int
        :math:`\Theta`, from ``2**shift`` on.
    shift : int
        :math:`k`, from 0 on.
    rectified : bool
        Whether negative activations become zero.

    Returns
    -------
    Tensor like ``state``
        :math:`X[t]`, whole numbers.
    """
    return _Decoded.apply(state, threshold, shift, rectified)


class _Decoded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, state, threshold, shift, rectified):
        ctx.unit = 2.0**-shift
        ctx.save_for_backward(state > 0 if rectified else None)
        activation = state.clamp(min=0) if rectified else state
        if len(activation) > 1:
            return _over_time(activation, threshold, shift)
        sent = torch.floor(activation * ctx.unit)
        if rectified and threshold == 1 << shift:
            # What is below the threshold has been rounded down to 0.
            return sent
        return sent.mul_(activation.abs() >= threshold)

    @staticmethod
    def backward(ctx, grad):
        (active,) = ctx.saved_tensors
        grad = grad * ctx.unit
        return grad if active is None else grad.mul_(active), None, None, None


def _over_time(activation: torch.Tensor, threshold: int, shift: int) -> torch.Tensor:
    # Differences can be twice what the float holds; an integer's shift rounds down for negative ones, too.
    integers = activation.to(torch.int32 if activation.dtype == torch.float32 else torch.int64)
    result = torch.empty_like(activation)
    sent, total = torch.zeros_like(integers[0]), torch.zeros_like(integers[0])
    for t, present in enumerate(integers):
        change = present - sent
        changed = change.abs() >= threshold
        total = total + (change * changed >> shift)
        sent = torch.where(changed, present, sent)
        result[t] = total
    return result


def messages(activity: torch.Tensor, time_steps: int) -> torch.Tensor:
    """The messages of each step, :math:`m[t] = X[t] - X[t-1]`.

    Parameters
    ----------
    activity : Tensor of shape (T or 1, N, ...)
        Activations that receivers hold; a single step stands for all.
    time_steps : int
        T.

    Returns
    -------
    Tensor of shape (T, N, ...)
    """
    first = activity[:1]
    if len(activity) == time_steps:
        return torch.cat([first, activity.diff(dim=0)])
    return torch.cat([first, first.new_zeros(time_steps - 1, *first.shape[1:])])
