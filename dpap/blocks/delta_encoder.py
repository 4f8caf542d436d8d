"""Delta encoder: the input is sent where it has changed by at least a threshold."""

import torch
from torch import nn

from dpap.neurons.sigma_delta import decoded


class DeltaEncoder(nn.Module):
    """The input as receivers hold it, which are sent changes of at least a threshold.

    In a network of :class:`dpap.ReLU` units that takes coarser inputs than its messages are, such as events,
    it makes an event 2**k messages.

    The dynamics are those of :mod:`dpap.neurons.sigma_delta` without synapses, rectification and rounding;
    the counterpart of ``sigma_delta.Input``.

    Parameters
    ----------
    gain : int
        Messages for an input of 1.
    threshold : int
        In messages, at least 1.
    """

    def __init__(self, gain: int = 1, threshold: int = 1):
        super().__init__()
        self.gain, self.threshold = gain, threshold

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Tensors ``(T or 1, N, *shape)`` of whole numbers to the same."""
        return decoded(inputs * self.gain, self.threshold, shift=0, rectified=False)

    def extra_repr(self) -> str:
        """Gain and threshold, for the module's printed form."""
        return f"gain={self.gain}, threshold={self.threshold}"
