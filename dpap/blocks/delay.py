r"""Axonal delays.

.. math::
    y_c[t] = x_c[t - \lfloor d_c \rfloor],\qquad
    \frac{\partial L}{\partial d_c} \approx -\sum_t \frac{\partial L}{\partial y_c[t]}\, (y_c[t] - y_c[t-1])

Source: Shrestha and Orchard 2018 (SLAYER); rounding, range and gradient are those of lava-dl's
``slayer.axon.Delay``.
"""

import torch
from torch import nn

from dpap.errors import NetworkError

HIGHEST = 62
"""Largest delay that stock SLAYER blocks learn; Loihi has 6 bits for it."""


class _Delayed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, delay):
        steps = delay.detach().floor().long()
        outputs = _shift(inputs, steps)
        ctx.save_for_backward(outputs, steps)
        return outputs

    @staticmethod
    def backward(ctx, grad):
        outputs, steps = ctx.saved_tensors
        change = outputs.clone()
        change[1:] -= outputs[:-1]
        axes = [axis for axis in range(grad.dim()) if axis != 2]
        return _shift(grad, -steps), -(grad * change).sum(axes)


def _shift(values: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Each channel later by its steps (earlier where negative); what leaves is lost, what enters is zero."""
    shifted = torch.zeros_like(values)
    for step in steps.unique().tolist():
        channels = steps == step
        if abs(step) >= len(values):
            continue
        if step >= 0:
            shifted[step:, :, channels] = values[: len(values) - step, :, channels]
        else:
            shifted[:step, :, channels] = values[-step:, :, channels]
    return shifted


class Delay(nn.Module):
    """A learned delay of each neuron's (or channel's) spikes, in whole steps.

    Spikes that would come after the last step of a sample are lost.

    Parameters
    ----------
    channels : int
        Channels, or neurons.
    highest : int
        Largest delay, 1 to 62.

    Raises
    ------
    NetworkError
        The largest delay is out of range.

    Attributes
    ----------
    delay : Parameter of shape (channels,)
        In steps; rounded down in every pass.
    """

    def __init__(self, channels: int, highest: int = HIGHEST):
        super().__init__()
        if not 1 <= highest <= HIGHEST:
            raise NetworkError(f"delays of up to {highest} steps; expected 1 to {HIGHEST}, Loihi's range")
        self.highest = highest
        self.delay = nn.Parameter(torch.rand(channels))

    @property
    def steps(self) -> torch.Tensor:
        """Whole steps of each channel, int64."""
        return self.delay.detach().clamp(0, self.highest).floor().long()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Tensors ``(T, N, C, ...)`` to the same."""
        with torch.no_grad():
            self.delay.clamp_(0, self.highest)
        return _Delayed.apply(inputs, self.delay)

    def extra_repr(self) -> str:
        """Channels and range, for the module's printed form."""
        return f"{len(self.delay)}, highest={self.highest}"
