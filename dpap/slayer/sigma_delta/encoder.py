"""Whole numbers as the changes that stock sigma-delta blocks receive."""

import torch

from dpap import blocks
from dpap.neurons.sigma_delta import messages


class SlayerDeltaEncoder(blocks.DeltaEncoder):
    """:class:`dpap.blocks.DeltaEncoder` in SLAYER's layout and units: the changes themselves.

    In place of ``sigma_delta.Input`` for inputs that are whole numbers already: it neither rounds them, nor
    limits them to 8 bits.

    Parameters
    ----------
    scale : int
        Scale of the stock neuron that this stands for: a message is a multiple of ``1 / (64 * scale)``.
    gain, threshold : int
        Messages for an input of 1, and messages that a change must reach.
    """

    def __init__(self, scale: int, gain: int = 1, threshold: int = 1):
        super().__init__(gain, threshold)
        self.scale = scale

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, ..., T)`` whole numbers to changes of the same shape."""
        known = super().forward(inputs.movedim(-1, 0))
        return messages(known, len(known)).movedim(0, -1) / (64 * self.scale)

    def extra_repr(self) -> str:
        """Scale, gain and threshold, for the module's printed form."""
        return f"scale={self.scale}, {super().extra_repr()}"
