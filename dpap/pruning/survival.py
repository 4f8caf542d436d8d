r"""Survival functions: use it or lose it, gradually decay.

.. math::
    \delta &= 2\,\mathrm{Normalized}(x) - \epsilon & (12, 13) \\
    \Delta &= \delta + C \text{ where } \delta \ge 0,\ \delta \text{ elsewhere} & (14, 15) \\
    F &\leftarrow \gamma F + e^{-e/\eta}\, \Delta & (16, 17)

:math:`x` is the importance of an epoch (BCM of synapses, spine plasticity of neurons), :math:`e` the epoch
from 0, and :math:`F = \beta` at the start. A unit with :math:`F < 0` is pruned for good. Source: Han et al.
2024, eq. 12 to 17.
"""

import math
from typing import Literal, get_args

import torch

from dpap.pruning.selection import kth_smallest

Normalization = Literal["minmax", "percentile"]
"""``minmax`` is the paper's linear normalisation; ``percentile`` the authors' code's, whose maximum is the
75th percentile, clipped to [0, 1]."""

NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)

UPPER_PERCENTILE = 0.75
"""The percentile that the authors' code takes for the maximum."""


def normalize(
    importance: torch.Tensor,
    alive: torch.Tensor,
    how: Normalization,
    percentile: float = UPPER_PERCENTILE,
) -> torch.Tensor:
    """Map the importance of remaining units linearly to [0, 1].

    The range is that of the remaining units of the layer; where they are all equal each gets 1: none is less
    important than another. Pruned units get 0.

    Parameters
    ----------
    importance : Tensor
        Any shape.
    alive : bool Tensor of the same shape
    how : str
        One of :data:`NORMALIZATIONS`.
    percentile : float
        The share of values below the maximum that ``percentile`` takes, 0 to 1.
    """
    values = importance[alive]
    if values.numel() == 0:
        return torch.zeros_like(importance)
    low = values.min()
    high = values.max() if how == "minmax" else _percentile(values, percentile)
    if not high > low:
        return (alive & (importance >= high)).to(importance.dtype)
    return ((importance - low) / (high - low)).clamp(0, 1) * alive


def _percentile(values: torch.Tensor, percentile: float) -> torch.Tensor:
    # torch.quantile refuses more than 2**24 values.
    position = percentile * (len(values) - 1)
    below = math.floor(position)
    above = min(below + 1, len(values) - 1)
    return torch.lerp(kth_smallest(values, below + 1), kth_smallest(values, above + 1), position - below)


def decay_factor(epoch: int, eta: float, staircase: bool = False) -> float:
    r"""How far the structure may still change, :math:`e^{-epoch/\eta}` (eq. 16, 17).

    With ``staircase`` the exponent is truncated to a whole number, as in the authors' code.
    """
    return math.exp(-int(epoch / eta) if staircase else -epoch / eta)


def survival_update(
    survival: torch.Tensor,
    normalized: torch.Tensor,
    epoch: int,
    *,
    epsilon: float,
    protection: float,
    eta: float,
    gamma: float,
    staircase: bool = False,
) -> torch.Tensor:
    """Survival function after an epoch (eq. 12 to 17).

    Parameters
    ----------
    survival : Tensor
        F before.
    normalized : Tensor of the same shape
        Importance of the epoch in [0, 1].
    epoch : int
        Epochs that went before, from 0.
    epsilon, protection, eta, gamma : float
        The decay value, the constant C, the decay rate and the decay constant.
    staircase : bool
        See :func:`decay_factor`.
    """
    return gamma * survival + decay_factor(epoch, eta, staircase) * decay(normalized, epsilon, protection)


def decay(normalized: torch.Tensor, epsilon: float, protection: float) -> torch.Tensor:
    r"""The change :math:`\Delta` of a survival function (eq. 12 to 15), not yet slowed by the epoch."""
    delta = 2 * normalized - epsilon
    return torch.where(delta >= 0, delta + protection, delta)
