"""Concatenation of the activity of several layers, channel after channel."""

from collections.abc import Sequence

import torch
from torch import nn


class Concatenation(nn.Module):
    r"""Channels (or neurons) of several sources, one source after the other, as inputs of one block.

    A block behind it has one weight for each channel of each source, so that

    .. math::
        a = W x = \sum_i W_i x_i, \qquad W = [W_1, W_2, \dots]

    which is how synapses of different weights reach one population. It is compiled as synapses from each
    source, and so has to come directly before a :class:`~dpap.blocks.Conv` of one group, a
    :class:`~dpap.blocks.Dense` or a :class:`~dpap.blocks.Recurrent` block.

    Parameters
    ----------
    channels : sequence of int
        Channels of each source, in the order of the sources.
    """

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        self.channels = tuple(channels)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Concatenate tensors ``(T or 1, N, C_i, ...)`` to ``(T or 1, N, sum of C_i, ...)``.

        A single step stands for all.
        """
        steps = max(len(values) for values in inputs)
        return torch.cat([values.expand(steps, *values.shape[1:]) for values in inputs], dim=2)

    def extra_repr(self) -> str:
        """Channels of each source, for the module's printed form."""
        return ", ".join(map(str, self.channels))
