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

with the mean over synapses that are alive. It is the range at which the learned step size of Esser et al.
2020 (ICLR, section 2.1) starts. With 1 bit all magnitudes are the mean (Rastegari et al. 2016, ECCV, eq. 6).
Gradients go straight through.
"""

import math
from typing import Annotated, NamedTuple

import torch
from pydantic import Field

from dpap.errors import NetworkError
from dpap.neurons.neuron import SpikingNeuron
from dpap.neurons.parameters import ARITHMETIC_LIMIT, SUM_LIMIT
from dpap.quantization import scaling
from dpap.quantization.scaling import (
    WEIGHT_LIMIT,
    WEIGHT_STEP,
    WeightExtent,
    fitting_scale,
    largest_scale,
    summing_scale,
    weight_extents,
)
from dpap.quantization.straight_through import quantize_weight, with_gradient_of

MOST_BITS = 8
"""Bits of a weight in Loihi's synapses."""

WeightBits = Annotated[int, Field(ge=1, le=MOST_BITS)] | None
"""1 to 8, or None for weights that are not rounded."""

MARGIN = 2.0
"""How much larger than on calibration samples a current may become, by default."""

DEFAULT_LEVELS = 7
"""Levels on either side of zero, 4 bits, that weights keep where nothing is known of the currents."""

_FILLED = 1e-6
"""How near to the highest level, relatively, the largest weight must come: floats do not divide exactly."""


class Grid(NamedTuple):
    """The range of the integer weights of a layer.

    Attributes
    ----------
    scale : float
        Integer units of a real weight of 1.
    step : int
        What integer weights are multiples of; 0 where they are not rounded.
    proven : bool
        Whether no input can drive a current out of its range.
    by_range : bool
        Whether the scale follows from what currents reach, or would if that were known; proofs leave the
        weights less than their bits.
    """

    scale: float
    step: int
    proven: bool
    by_range: bool = False


def check_weight_bits(bits: int | None, what: str = "weight_bits") -> None:
    """Raise a :class:`~dpap.errors.NetworkError` unless it is 1 to 8, or None."""
    if bits is None:
        return
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_BITS:
        raise NetworkError(
            f"{what} is {bits!r}; expected a whole number from 1 to {MOST_BITS}, or None for weights that are"
            " not rounded"
        )


def check_margin(margin: float) -> None:
    """Raise a :class:`~dpap.errors.NetworkError` unless it is a finite number from 1 on."""
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 1 <= margin < math.inf:
        raise NetworkError(f"range_margin is {margin!r}; expected a number from 1 on, 2 by default")


def highest_level(bits: int) -> int:
    """:math:`L_b`: 1, 1, 3, 7, 15, 31, 63, 127 for 1 to 8 bits."""
    return max(1, (1 << (bits - 1)) - 1)


def coarsest_step(bits: int) -> int:
    """The largest step: 128, 128, 64, 32, 16, 8, 4, 2 for 1 to 8 bits."""
    return (WEIGHT_STEP << MOST_BITS) >> max(bits, 2)


def largest_weight(bits: int) -> int:
    """Magnitude of the highest level at the largest step: 254 with 8 bits."""
    return highest_level(bits) * coarsest_step(bits)


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
    nonzero = values[values != 0]
    if not nonzero.numel():
        return weight
    mean = nonzero.abs().mean(dtype=torch.float64).item()
    if bits == 1:
        return with_gradient_of(weight, values.sign() * mean)
    reach = 2 * mean * highest_level(bits) ** 0.5
    return with_gradient_of(weight, values.clamp(-reach, reach))


def weight_grid(
    weight: torch.Tensor,
    neuron: SpikingNeuron,
    bits: int | None,
    *,
    input_bound: int,
    input_divisor: int,
    time_steps: int,
    name: str,
    bias: torch.Tensor | None = None,
    reached: float | None = None,
    margin: float = MARGIN,
) -> Grid:
    r"""The step and the scale of a layer's weights.

    The step is the largest at which the range of the weights can fill the levels. Currents stay within their
    range :math:`2^{17}`

    * by proof, at the scale of :func:`dpap.quantization.scaling.weight_scale`, where that fills the levels of
      a step, or at the smallest step is at least half of the scale that weights, threshold and biases allow
      (8 bits then stay 8: the largest level has 7 binary digits);
    * otherwise by calibration, at a scale :math:`s \le 2^{17} / (\gamma\, d\, r)`, with r the largest
      current that was ``reached`` in real units, :math:`\gamma` the margin and d the input divisor;
    * where nothing is known of the currents, at the proven scale, or at that of :data:`DEFAULT_LEVELS` levels
      where it is larger. Currents are then checked while the layer runs, as they are with calibration.

    Whatever the range rests on, sums stay within 32-bit arithmetic for any input.

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Real weights, :func:`narrowed`.
    neuron, input_bound, input_divisor, time_steps, name, bias
        As of :func:`dpap.quantization.scaling.weight_scale`.
    bits : int or None
        None for weights that are not rounded; they have no step, and what keeps 8 bits is enough for them.
    reached : float, optional
        Largest magnitude of a current on samples, in real units.
    margin : float
        How much larger a current may become than that, at least 1.

    Raises
    ------
    NetworkError
        No scale satisfies the bounds, or a weight or bias is not finite.
    """
    (extent,) = weight_extents([weight])

    def fitting(limit: float) -> float:
        return fitting_scale(extent, neuron, input_divisor=input_divisor, name=name, bias=bias, limit=limit)

    grids = [(0, math.inf)] if bits is None else _grids(bits)
    fits = [fitting(limit) for _, limit in grids]
    proven_sum = scaling.proven_sum(neuron, input_bound, time_steps)
    # Without rounding; sums of rounded weights are looked at where this does not decide.
    bound = scaling.unrounded_scale(extent, proven_sum)
    for (step, limit), fit in zip(grids, fits, strict=True):
        if _fills(min(fit, bound), extent, limit):
            scale = summing_scale(weight, extent, proven_sum, step, fit)
            if _fills(scale, extent, limit):
                return Grid(scale, step, True)
    step, fit, enough = grids[-1][0], fits[-1], fits[-1]
    if bits is None and extent.largest > 0:
        enough = min(enough, WEIGHT_LIMIT / extent.largest)
    if bound >= enough / 2:
        scale = summing_scale(weight, extent, proven_sum, step, fit)
        if scale >= enough / 2:
            return Grid(scale, step, True)
    if reached is None:
        allowed = DEFAULT_LEVELS * WEIGHT_STEP / extent.largest
    else:
        allowed = (SUM_LIMIT - 1) / (reached * margin * input_divisor)
    largest_sum = (ARITHMETIC_LIMIT - 1) / input_bound
    for (step, limit), fit in zip(grids, fits, strict=True):
        scale = summing_scale(weight, extent, largest_sum, step, min(fit, allowed))
        if _fills(scale, extent, limit):
            return Grid(scale, step, False, True)
    proof = summing_scale(weight, extent, proven_sum, step, fit) if scale <= bound else 0.0
    if not max(scale, proof) * extent.largest > step / 2:
        reach = (
            "can leave 32-bit arithmetic" if reached is None else f"reach {reached * input_divisor:g} units"
        )
        raise NetworkError(
            f"{name}: all its weights become 0: its currents, of {weight[0].numel()} synapses a neuron and"
            f" inputs up to {input_bound}, {reach} for a weight of 1: give the network coarser inputs (a"
            " smaller input_max, inputs divided alike), or prune it"
        )
    return Grid(max(scale, proof), step, scale <= proof, True)


def _grids(bits: int) -> list[tuple[int, int]]:
    """Steps from the coarsest to the finest, each with its largest weight."""
    steps, step = [], coarsest_step(bits)
    while step >= WEIGHT_STEP:
        steps.append((step, highest_level(bits) * step))
        step //= 2
    return steps


def _fills(scale: float, extent: WeightExtent, limit: float) -> bool:
    """Whether the largest weight comes to the highest level."""
    return scale > 0 and scale * extent.largest >= limit * (1 - _FILLED)


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
