r"""Weights at a scale per layer that is a power of two, for graded activations.

A unit's sum is rounded to a message by a shift (:mod:`dpap.neurons.sigma_delta`), so the scale of its
weights is a power of two, :math:`2^e`. Weights are even, from -254 to 254, as in
:mod:`dpap.quantization.scaling`; biases are even too, so that every sum is
(:mod:`dpap.blocks.exact_products`).
"""

import math

import torch

from dpap.errors import NetworkError
from dpap.neurons.sigma_delta import MESSAGE_LIMIT
from dpap.quantization.scaling import WEIGHT_LIMIT, largest_scale
from dpap.quantization.straight_through import quantize_weight

CONSTANT_LIMIT = MESSAGE_LIMIT // 2
"""Thresholds and biases may fill half of 24 bits."""

LARGEST_SHIFT = CONSTANT_LIMIT.bit_length() - 1
"""At a larger shift the smallest threshold, one message, would be beyond that."""


def weight_exponent(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    *,
    threshold: float,
    input_divisor: float,
    drop: int,
    name: str,
    limit: float = WEIGHT_LIMIT,
    largest_shift: int = LARGEST_SHIFT,
) -> int:
    r"""The largest exponent e at which a layer's numbers fit.

    .. math::
        2^e \max|w| \le L,\quad 2^e d \max|b| \le 2^{22},\quad 2^e d\, \vartheta \le 2^{22},\quad
        0 \le e + c \le K

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Real weights, the pruned ones at zero.
    bias : Tensor of shape (out,), optional
        Real biases.
    threshold : float
        :math:`\vartheta`, real.
    input_divisor : float
        d, the integer input that stands for the real input 1.
    drop : int
        c: the shift of a layer is ``e + c``, which makes ``d / 2**c`` of its messages stand for 1.
    name : str
        The layer, for errors.
    limit : float
        L, the largest magnitude of an integer weight.
    largest_shift : int
        K, at most :data:`LARGEST_SHIFT`.

    Raises
    ------
    NetworkError
        There is none, or a weight or bias is not finite.
    """
    largest = _largest_scale(weight, drop, name, limit)
    constant = bias.detach().abs().max().item() if bias is not None and bias.numel() else 0.0
    if not math.isfinite(constant):
        raise NetworkError(f"{name}: a bias is {constant}; every bias must be finite")
    limits = [2.0 ** (largest_shift - drop), largest]
    limits += [CONSTANT_LIMIT / (input_divisor * value) for value in (constant, threshold) if value > 0]
    # Of a float x > 0 frexp gives e with 2**(e-1) <= x < 2**e, without the rounding of a logarithm.
    exponent = math.frexp(min(limits))[1] - 1
    if exponent < -drop:
        raise NetworkError(
            f"{name}: at 2**{-drop} units for a weight of 1, the smallest scale that its messages allow, a"
            f" weight of {limit / largest:g} does not fit into {limit:g}, or a bias of {constant:g} or a"
            f" threshold of {threshold:g} into 24; train it with smaller ones, or with fewer fraction_bits"
        )
    return exponent


def quantize_even_bias(bias: torch.Tensor, unit: float) -> torch.Tensor:
    """Even integers ``2 * round(bias * unit / 2)``, in the bias's dtype; gradient straight through."""
    return quantize_weight(bias, unit)


def _largest_scale(weight: torch.Tensor, drop: int, name: str, limit: float) -> float:
    # A layer without weights has any scale; this one has no digits to drop.
    return largest_scale(weight, name, limit) if weight.any() else 2.0 ** max(0, -drop)


def check_integers(
    weight: torch.Tensor, bias: torch.Tensor | None, threshold: int, shift: int, name: str
) -> None:
    """Prove that the numbers of a layer whose scale is given, not chosen, fit.

    Parameters
    ----------
    weight, bias : Tensors
        Integers.
    threshold, shift : int
        As in :func:`dpap.neurons.sigma_delta.decoded`.
    name : str
        The layer, for errors.

    Raises
    ------
    NetworkError
        One does not fit, or a weight or bias is not finite.
    """
    constant = bias.detach().abs().max().item() if bias is not None and bias.numel() else 0.0
    for what, value, lowest, highest in (
        ("sum of its weights", weight.detach().sum().item(), -math.inf, math.inf),
        ("shift", shift, 0, LARGEST_SHIFT),
        ("threshold", threshold, 1, CONSTANT_LIMIT),
        ("largest bias", constant, 0, CONSTANT_LIMIT),
    ):
        if not (math.isfinite(value) and lowest <= value <= highest):
            raise NetworkError(
                f"{name}: its {what} is {value:.10g} in whole numbers; expected {lowest:.10g} to"
                f" {highest:.10g}"
            )
