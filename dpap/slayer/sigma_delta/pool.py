"""Maximum pooling between stock sigma-delta blocks."""

import torch

from dpap import blocks
from dpap.neurons.sigma_delta import messages


class MaxPool(blocks.MaxPool):
    """:class:`dpap.blocks.MaxPool` of changes in SLAYER's layout: the change of the largest activation.

    A maximum of changes is no change of the maximum, so they are added up over time first.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, C, H, W, T)`` to ``(N, C, h, w, T)``."""
        activations = inputs.movedim(-1, 0).cumsum(0)
        return messages(super().forward(activations), len(activations)).movedim(0, -1)
