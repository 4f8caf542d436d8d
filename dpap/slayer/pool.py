"""Average pooling between stock blocks, without neurons."""

import torch
from torch import nn


class SumPool(nn.Module):
    """:class:`dpap.blocks.SumPool` in SLAYER's layout: the sum over each window.

    SLAYER's own pool has neurons, which would make a layer of its own of it.

    Parameters
    ----------
    window : int
        Side of the window and stride. Rows and columns that do not fill a window are dropped.
    """

    def __init__(self, window: int):
        super().__init__()
        self.window = window

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, C, H, W, T)`` to ``(N, C, H // window, W // window, T)``."""
        return torch.nn.functional.avg_pool3d(inputs, (self.window, self.window, 1), divisor_override=1)

    def extra_repr(self) -> str:
        """Window, for the module's printed form."""
        return f"window={self.window}"
