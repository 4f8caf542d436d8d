"""Addition of the activity of several layers."""

import torch
from torch import nn


class Addition(nn.Module):
    """The sum of its sources' activity: the end of a residual connection.

    Spikes of two layers add up to 0, 1 or 2, which the next block receives as it would receive both layers
    through the same weights; so it is compiled.
    """

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Sum of tensors ``(T or 1, N, *shape)``; a single step stands for all."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total
