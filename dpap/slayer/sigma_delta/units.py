"""Units of stock sigma-delta blocks."""

import torch

MESSAGES = 64
"""Messages for an integer weight's unit: SLAYER's ``s_scale`` is 64 times its ``scale``."""


def unit_activation(activation: torch.Tensor) -> torch.Tensor:
    """The activation itself: Lava's ``ActivationMode.UNIT``."""
    return activation
