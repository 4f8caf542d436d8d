"""Pools without neurons between stock blocks, and what stock pools with neurons do."""

import torch

from dpap import blocks
from dpap.blocks.window import pair


class SumPool(blocks.SumPool):
    """:class:`dpap.blocks.SumPool` in SLAYER's layout: the sum over each window.

    SLAYER's own pool has neurons, which would make a layer of its own of it.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, C, H, W, T)`` to ``(N, C, h, w, T)``."""
        return torch.nn.functional.avg_pool3d(
            inputs, (*pair(self.window), 1), (*self.stride, 1), (*self.padding, 0), divisor_override=1
        )


class MaxPool(blocks.MaxPool):
    """:class:`dpap.blocks.MaxPool` in SLAYER's layout: the largest value of each window."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, C, H, W, T)`` to ``(N, C, h, w, T)``."""
        return torch.nn.functional.max_pool3d(
            inputs, (*pair(self.window), 1), (*self.stride, 1), (*self.padding, 0)
        )


def zeros_of_stock_pool(size: tuple[int, ...], window: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of zeros that ``cuba.Pool`` adds below and to the right (lava-dl 0.6)."""
    return size[0] % window[0], size[1] % window[1]


def stock_pool_fault(
    size: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> str | None:
    """Why ``cuba.Pool`` does not pool each channel by itself; None where it does.

    lava-dl 0.6 lays the channels of an image below each other, each with its added rows of zeros, and lets
    one window run down all of them. So its rows must be tiled exactly.

    Parameters
    ----------
    size, window, stride, padding : pair of int
        Of height and width.
    """
    rows = window[0]
    height = size[0] + zeros_of_stock_pool(size, window)[0]
    if stride[0] == rows and padding[0] == 0 and height % rows == 0:
        return None
    return (
        f"with {size[0]} rows ({height - size[0]} more of zeros), a window of {rows}, a vertical stride of"
        f" {stride[0]} and a vertical padding of {padding[0]}, SLAYER's windows reach from one channel into"
        " the next"
    )
