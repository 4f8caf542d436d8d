r"""Surrogate derivatives :math:`\partial s / \partial v` of the spike function.

With :math:`x = v - \vartheta` and width :math:`a`:

=============  ==============================================  =======================================
name           derivative                                      source
=============  ==============================================  =======================================
rectangle      :math:`1/a` where :math:`|x| < a/2`             Han et al. 2024, eq. 4; Wu et al. 2018
exponential    :math:`\frac{1}{2a} e^{-|x|/a}`                 SLAYER (Shrestha and Orchard 2018)
arctan         :math:`\frac{1}{a\,(1 + (\pi x / a)^2)}`        Fang et al. 2021
fast_sigmoid   :math:`\frac{1}{a\,(1 + 2|x|/a)^2}`             Zenke and Ganguli 2018
=============  ==============================================  =======================================

Each has the area 1 over :math:`x`, so that changing the name does not change the scale of the gradient.
The one definition, :func:`derivative`, is written in operations that Python numbers and compiled kernels
share; :func:`derivative_torch` is the same for tensors.
"""

import math
from typing import Literal, get_args

import numba
import torch

SurrogateName = Literal["rectangle", "exponential", "arctan", "fast_sigmoid"]

SURROGATES: tuple[str, ...] = get_args(SurrogateName)
"""Names of the surrogate derivatives; a kernel is given the position in this tuple."""


@numba.njit(inline="always")
def derivative(distance, width, kind):
    """Derivative at ``distance = v - threshold`` for the surrogate ``SURROGATES[kind]``."""
    magnitude = abs(distance)
    if kind == 0:
        return 1.0 / width if magnitude < 0.5 * width else 0.0
    if kind == 1:
        return math.exp(-magnitude / width) / (2.0 * width)
    if kind == 2:
        scaled = math.pi * magnitude / width
        return 1.0 / (width * (1.0 + scaled * scaled))
    scaled = 1.0 + 2.0 * magnitude / width
    return 1.0 / (width * scaled * scaled)


def derivative_torch(distance: torch.Tensor, width: float, kind: int) -> torch.Tensor:
    """Tensor form of :func:`derivative`, for devices that the compiled kernels do not reach."""
    magnitude = distance.abs()
    if kind == 0:
        return (magnitude < 0.5 * width).to(distance.dtype) / width
    if kind == 1:
        return torch.exp(-magnitude / width) / (2 * width)
    if kind == 2:
        return 1 / (width * (1 + (math.pi * magnitude / width) ** 2))
    return 1 / (width * (1 + 2 * magnitude / width) ** 2)
