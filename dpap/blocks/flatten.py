"""Flattening of channels and positions."""

import torch
from torch import nn


class Flatten(nn.Module):
    """``(T, N, C, H, W)`` to ``(T, N, C * H * W)``, channels first."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Flatten all but time and batch."""
        return inputs.flatten(2)
