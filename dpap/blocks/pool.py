"""Pools without neurons."""

import torch
from torch import nn

from dpap.blocks.block import Shape
from dpap.blocks.window import Extent, pair, window_extent
from dpap.errors import NetworkError


class _Pool(nn.Module):
    """The base class of pools.

    Parameters
    ----------
    window : int or pair of int
        The window.
    stride : int or pair of int, optional
        By default the window.
    padding : int or pair of int
        Zeros at each border.
    """

    def __init__(self, window: Extent, stride: Extent | None = None, padding: Extent = 0):
        super().__init__()
        self.window = window
        self.stride = pair(window if stride is None else stride)
        self.padding = pair(padding)

    @property
    def area(self) -> int:
        """Positions of a window."""
        height, width = pair(self.window)
        return height * width

    @property
    def tiles(self) -> bool:
        """Whether windows are side by side, squares without overlap, gap or border."""
        return isinstance(self.window, int) and self.stride == pair(self.window) and self.padding == (0, 0)

    def output_shape(self, name: str, shape: Shape) -> Shape:
        """Shape behind the pool; raises a :class:`~dpap.errors.NetworkError` where it does not fit."""
        for window, padding in zip(pair(self.window), self.padding, strict=True):
            if 2 * padding > window:
                raise NetworkError(
                    f"{name}: a padding of {padding} for a window of {window}; expected at most half of it"
                )
        return (shape[0], *window_extent(name, shape[1:], self.window, self.stride, self.padding))

    def extra_repr(self) -> str:
        """Window, for the module's printed form."""
        return f"window={self.window}, stride={self.stride}, padding={self.padding}"


class SumPool(_Pool):
    """Average pooling, as the sum over each window.

    The sum is whole where the average is not. The next block's threshold is scaled by the window's area,
    which makes the two the same network: the pool is part of that block's synapses on hardware. Zeros at a
    border count for the average. Rows and columns that do not fill a window are dropped.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(T, N, C, H, W)`` to ``(T, N, C, h, w)``."""
        summed = torch.nn.functional.avg_pool2d(
            inputs.flatten(0, 1), self.window, self.stride, self.padding, divisor_override=1
        )
        return summed.unflatten(0, inputs.shape[:2])


class MaxPool(_Pool):
    """The largest value of each window: over spikes, whether any neuron of the window fired.

    The gradient goes to the first neuron of the largest value.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(T, N, C, H, W)`` to ``(T, N, C, h, w)``."""
        largest = torch.nn.functional.max_pool2d(inputs.flatten(0, 1), self.window, self.stride, self.padding)
        return largest.unflatten(0, inputs.shape[:2])
