r"""Weights of 1 to 8 bits, at a scale per layer.

A weight of :math:`b` bits is an integer level times a step that is a power of two,

.. math::
    \hat w = \Delta q,\qquad |q| \le L_b = \max(1, 2^{b-1} - 1),\qquad 2 \le \Delta \le 2^{9 - \max(b, 2)},

so that a weight is even and within 8 bits whatever its own: on Loihi the levels are the mantissas, the step
is their shared exponent. In Lava it is what ``num_weight_bits`` leaves of a weight. With 8 bits the step is 2
and the levels reach 127. With 1 bit each synapse has the sign of its weight and the magnitude of all others;
a weight of zero is no synapse, as with any number of bits.

With few bits a single large weight would leave no levels to the others. So below 8 bits weights are clipped
to

.. math::
    r = \min\Big(\max|w|,\ 2\,\overline{|w|}\,\sqrt{L_b}\Big),

with the mean over synapses that live. It is the range at which the learned step size of Esser et al. 2020
(ICLR, section 2.1) starts. With 1 bit all magnitudes are the mean (Rastegari et al. 2016, ECCV, eq. 6).
Gradients go straight through.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field

from dpap.errors import NetworkError
from dpap.neurons.parameters import LIF
from dpap.quantization import WEIGHT_STEP, largest_scale, weight_extents, weight_scale
from dpap.straight_through import quantize_weight

MOST_BITS = 8
"""Bits of a weight in Loihi's synapses."""

WeightBits = Annotated[int, Field(ge=1, le=MOST_BITS)] | None
"""1 to 8, or None for weights that are not rounded."""

_FILLED = 1e-6
"""How near to the highest level, relatively, the largest weight must come: floats do not divide exactly."""


class Grid(NamedTuple):
    """Where the integer weights of a layer lie.

    Attributes
    ----------
    scale : float
        Integer units of a real weight of 1.
    step : int
        What integer weights are multiples of.
    """

    scale: float
    step: int


def check_weight_bits(bits: int | None, what: str = "weight_bits") -> None:
    """Raise a :class:`~dpap.errors.NetworkError` unless it is 1 to 8, or None."""
    if bits is None:
        return
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_BITS:
        raise NetworkError(
            f"{what} is {bits!r}; expected a whole number from 1 to {MOST_BITS}, or None for weights that are"
            " not rounded"
        )


def highest_level(bits: int) -> int:
    """:math:`L_b`: 1, 1, 3, 7, 15, 31, 63, 127 for 1 to 8 bits."""
    return max(1, (1 << (bits - 1)) - 1)


def coarsest_step(bits: int) -> int:
    """The largest step: 128, 128, 64, 32, 16, 8, 4, 2 for 1 to 8 bits."""
    return (WEIGHT_STEP << MOST_BITS) >> max(bits, 2)


def largest_weight(bits: int) -> int:
    """Magnitude of the highest level at the largest step: 254 with 8 bits."""
    return highest_level(bits) * coarsest_step(bits)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, values):
        return values

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def narrowed(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Real weights within the range that their bits are spread over; gradient straight through.

    Parameters
    ----------
    weight : Tensor
        Real weights, the pruned ones at zero.
    bits : int
        With 8 the weights stay as they are.
    """
    if bits >= MOST_BITS:
        return weight
    values = weight.detach()
    living = values[values != 0]
    if not living.numel():
        return weight
    mean = living.abs().mean(dtype=torch.float64).item()
    if bits == 1:
        return _StraightThrough.apply(weight, values.sign() * mean)
    reach = 2 * mean * highest_level(bits) ** 0.5
    return _StraightThrough.apply(weight, values.clamp(-reach, reach))


def weight_grid(weight: torch.Tensor, neuron: LIF, bits: int, *, name: str, **bounds) -> Grid:
    r"""The step and the scale of a layer's weights.

    The step is the largest at which the range of the weights can fill the levels; where the bounds of
    :func:`dpap.quantization.weight_scale` allow that at none, it is 2, and levels are left over.

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Real weights, :func:`narrowed`.
    neuron, name, **bounds
        As of :func:`dpap.quantization.weight_scale`.
    bits : int

    Raises
    ------
    NetworkError
        No scale satisfies the bounds, or a weight or bias is not finite.
    """
    (extent,) = weight_extents([weight])
    step = coarsest_step(bits)
    while step > WEIGHT_STEP:
        limit = highest_level(bits) * step
        try:
            scale = weight_scale(weight, neuron, name=name, extent=extent, step=step, limit=limit, **bounds)
        except NetworkError:
            # The rounding of so large a step alone can exceed the bounds.
            scale = 0.0
        if scale and scale * extent.largest >= limit * (1 - _FILLED):
            return Grid(scale, step)
        step //= 2
    limit = highest_level(bits) * step
    scale = weight_scale(weight, neuron, name=name, extent=extent, step=step, limit=limit, **bounds)
    return Grid(scale, step)


def step_for(weight: torch.Tensor, scale: float, bits: int) -> int:
    """The smallest step whose levels reach the largest weight, at a scale that is given."""
    largest = weight.detach().abs().max().item() * scale if weight.numel() else 0.0
    step = WEIGHT_STEP
    while highest_level(bits) * step < largest and step < coarsest_step(bits):
        step *= 2
    return step


def quantized_alone(weight: torch.Tensor, bits: int | None, name: str) -> tuple[torch.Tensor, float]:
    """Integer weights at a scale that looks at the weights alone, and that scale.

    For sums that are normalised before they drive neurons; without bits weights are scaled and not rounded.
    """
    within = MOST_BITS if bits is None else bits
    weight = narrowed(weight, within)
    scale = largest_scale(weight, name, largest_weight(within))
    if bits is None:
        return weight * scale, scale
    return quantize_weight(weight, scale, coarsest_step(bits)), scale
