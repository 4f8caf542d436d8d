"""Units of stock sigma-delta blocks."""

import torch

MESSAGES_PER_UNIT = 64
"""Units of messages in a unit of integer weights: SLAYER's ``s_scale`` is 64 times its ``scale``."""


def unit_activation(activation: torch.Tensor) -> torch.Tensor:
    """The activation itself: Lava's ``ActivationMode.UNIT``."""
    return activation
