"""Average pooling between stock blocks, without neurons."""

import torch

from dpap import blocks


class SumPool(blocks.SumPool):
    """:class:`dpap.blocks.SumPool` in SLAYER's layout: the sum over each window.

    SLAYER's own pool has neurons, which would make a layer of its own of it.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, C, H, W, T)`` to ``(N, C, H // window, W // window, T)``."""
        return torch.nn.functional.avg_pool3d(inputs, (self.window, self.window, 1), divisor_override=1)
