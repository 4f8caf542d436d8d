r"""Weights as the integers that run, at a scale per layer.

A weight is an 8-bit mantissa times two: even, from -254 to 254 (Loihi's mixed-sign mode; -256 is left out,
so that a weight and its negative have the same magnitude). With fewer bits it is a multiple of a larger step
(:mod:`dpap.quantization.weight_bits`). A layer's scale says how many integer units make a real weight of 1.
It is the largest at which

* every weight fits into its bits,
* the threshold fits into 17 bits,
* every bias fits into 13 bits, and
* currents stay within the 24 bits where Lava wraps them and SLAYER does not: for any input where that leaves
  the weights their bits (:func:`weight_scale`), otherwise for the currents that samples cause
  (:func:`dpap.quantization.weight_bits.weight_grid`).

Membrane potentials need no bound: Lava clips them, and so do all neurons here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dpap.errors import NetworkError
from dpap.neurons.neuron import SpikingNeuron
from dpap.neurons.parameters import (
    ARITHMETIC_LIMIT,
    DECAY_UNITY,
    SUM_LIMIT,
    THRESHOLD_LIMIT,
)

WEIGHT_LIMIT = 254
"""Largest magnitude of an integer weight: 127 times two."""

LOWEST_WEIGHT = -256
"""Lowest integer weight of Loihi and of stock SLAYER; only a block with a scale of its own uses it."""

BIAS_LIMIT = (1 << 12) - 1
"""Largest magnitude of an integer bias: Loihi's 13-bit mantissa, at the exponent 6 of synaptic sums."""

WEIGHT_STEP = 2
"""Integer weights are even: the lowest bit is the sign's in Loihi's mixed-sign mode."""

_TRIES, _BACK = 4, 2.0**-20
"""How often a scale is tried on the rounded weights, and how far it goes back each time, relatively."""


@dataclass(frozen=True)
class WeightExtent:
    """How far the weights of a layer reach, as numbers on the host.

    Attributes
    ----------
    largest : float
        Largest magnitude of a weight.
    positive, negative : float
        Largest sum of positive weights, and of negative magnitudes, over the neurons of the layer.
    """

    largest: float = 0.0
    positive: float = 0.0
    negative: float = 0.0


def weight_extents(weights: Sequence[torch.Tensor]) -> list[WeightExtent]:
    """The extent of each of several weights, by one transfer from the device they share.

    To take a number from a GPU is to wait for all its work; so those of a whole network are taken at once.

    Parameters
    ----------
    weights : sequence of Tensors of shape (out, ...)
        One row of incoming weights for each neuron (or channel).
    """
    filled = [index for index, weight in enumerate(weights) if weight.numel()]
    measured = []
    for index in filled:
        measured += [weights[index].detach().abs().max().double(), *_signed_sums(weights[index])]
    numbers = _on_host(measured) if measured else []
    extents = [WeightExtent()] * len(weights)
    for place, index in enumerate(filled):
        extents[index] = WeightExtent(*numbers[3 * place : 3 * place + 3])
    return extents


def _signed_sums(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # In float64, so that the order in which a device or a number of threads adds does not move the scale by
    # as much as float32 resolves: an integer weight would move with it.
    rows = weight.detach().flatten(1)
    positive = rows.clamp(min=0).sum(1, dtype=torch.float64)
    negative = positive - rows.sum(1, dtype=torch.float64)
    return positive.max(), negative.max()


def _on_host(values: Sequence[torch.Tensor]) -> list[float]:
    if all(value.is_cpu for value in values):
        return [value.item() for value in values]
    return torch.stack(list(values)).tolist()


def steady_gain(keep: int) -> float:
    """Sum of ``1 + k + k**2 + ...`` for ``k = keep / 4096``: how far constant input drives a leaky state."""
    return math.inf if keep >= DECAY_UNITY else DECAY_UNITY / (DECAY_UNITY - keep)


def state_gain(neuron: SpikingNeuron, time_steps: int) -> tuple[float, float]:
    """Factors from the largest synaptic sum to the largest current and the largest voltage.

    A state without leak grows with the number of steps, so the gain is at most ``time_steps`` each. Of
    voltages it is what they would reach if they were neither reset nor clipped.
    """
    return gains(neuron.current_keep, neuron.voltage_keep, time_steps)


def gains(current_keep: int, voltage_keep: int, time_steps: int) -> tuple[float, float]:
    """The same from what states keep in a step, in 1/4096; each is at least 1."""
    current = min(steady_gain(current_keep), float(time_steps))
    voltage = min(steady_gain(voltage_keep), float(time_steps))
    return current, current * voltage


def fitting_scale(
    extent: WeightExtent,
    neuron: SpikingNeuron,
    *,
    input_divisor: float,
    name: str,
    bias: torch.Tensor | None = None,
    limit: float = WEIGHT_LIMIT,
) -> float:
    r"""The largest scale at which weights, threshold and biases fit into their bits.

    With :math:`d` the integer input that stands for 1, :math:`\vartheta` the threshold and :math:`B` the
    largest magnitude of a bias, the scale :math:`s` satisfies

    .. math::
        s \max|w| \le L,\quad s\, d\, \vartheta < 2^{17},\quad s\, d\, B < 2^{12}.

    Parameters
    ----------
    extent : WeightExtent
        Of the real weights, the pruned ones at zero.
    neuron, input_divisor, name, bias, limit
        As of :func:`weight_scale`.

    Raises
    ------
    NetworkError
        A weight or bias is not finite.
    """
    fitting = _fitting(extent.largest, limit, name)
    constant = bias.detach().abs().max().item() if bias is not None else 0.0
    if not math.isfinite(constant):
        raise NetworkError(f"{name}: a bias is {constant}; every bias must be finite")
    constant *= input_divisor
    limits = [THRESHOLD_LIMIT / (input_divisor * neuron.largest_threshold)]
    if extent.largest > 0:
        limits.append(fitting)
    if constant > 0:
        limits.append((BIAS_LIMIT - 1) / constant)
    return min(limits)


def unrounded_scale(extent: WeightExtent, largest_sum: float) -> float:
    """The scale at which weights of one sign of a neuron sum to so much, before they are rounded."""
    total = max(extent.positive, extent.negative)
    return largest_sum / total if total else math.inf


def summing_scale(
    weight: torch.Tensor, extent: WeightExtent, largest_sum: float, step: int, at_most: float
) -> float:
    """The largest scale at which no neuron's weights of one sign sum to more; 0 where there is none.

    Rounding can add half a step for each synapse. That is taken off, unless the sums of the rounded weights
    themselves are small enough.

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Real weights.
    extent : WeightExtent
        Theirs.
    largest_sum : float
        What integer weights of one sign may sum to.
    step : int
        What integer weights are multiples of; 0 for weights that are not rounded, whose sums are.
    at_most : float
        The largest scale that is of interest.
    """
    total = max(extent.positive, extent.negative)
    if total == 0:
        return at_most
    fan_in = weight[0].numel()
    charged = (largest_sum - (fan_in * step / 2 if step else 1)) / total
    if at_most <= charged or not step:
        return max(min(at_most, charged), 0.0)
    scale = min(at_most, largest_sum / total)
    for _ in range(_TRIES):
        reached = largest_signed_sum(step * torch.round(weight.detach() * (scale / step)))
        if reached <= largest_sum:
            return scale
        scale *= (1 - _BACK) * largest_sum / reached
    return max(charged, 0.0)


def weight_scale(
    weight: torch.Tensor,
    neuron: SpikingNeuron,
    *,
    input_bound: int,
    input_divisor: float,
    time_steps: int,
    name: str,
    bias: torch.Tensor | None = None,
    extent: WeightExtent | None = None,
    step: int = WEIGHT_STEP,
    limit: float = WEIGHT_LIMIT,
) -> float:
    r"""The largest scale of a layer at which no input can drive a current out of its range.

    With :math:`\hat P` and :math:`\hat N` the largest sums of positive integer weights and of negative
    magnitudes, :math:`m` the largest input and :math:`g_u` the gain of the current (:func:`gains`), the scale
    satisfies :func:`fitting_scale` and

    .. math::
        \max(\hat P, \hat N)\, m\, g_u < 2^{17}.

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Real weights, the pruned ones at zero.
    neuron : SpikingNeuron
        The neuron that receives the sums.
    input_bound : int
        Largest integer that an input of the layer can be (the window's area after pooling).
    input_divisor : int
        Integer input that stands for the real input 1.
    time_steps : int
        Steps between two resets.
    name : str
        The layer, for the error.
    bias : Tensor of shape (out,), optional
        Real biases.
    extent : WeightExtent, optional
        That of the weights, where it is known (:func:`weight_extents`).
    step : int
        What integer weights are multiples of.
    limit : float
        L, the largest magnitude of an integer weight.

    Returns
    -------
    float
        0 where no scale satisfies the bound.

    Raises
    ------
    NetworkError
        A weight or bias is not finite.
    """
    extent = extent or weight_extents([weight])[0]
    fit = fitting_scale(extent, neuron, input_divisor=input_divisor, name=name, bias=bias, limit=limit)
    return summing_scale(weight, extent, proven_sum(neuron, input_bound, time_steps), step, fit)


def proven_sum(neuron: SpikingNeuron, input_bound: int, time_steps: int) -> float:
    """What integer weights of one sign may sum to, so that no input drives a current out of its range."""
    current_gain, _ = state_gain(neuron, time_steps)
    return (SUM_LIMIT - 1) / (input_bound * current_gain)


def largest_scale(weight: torch.Tensor, name: str, limit: float = WEIGHT_LIMIT) -> float:
    """The scale at which the largest weight just reaches the limit; 1 where all are zero.

    Raises
    ------
    NetworkError
        A weight is not finite.
    """
    largest = weight.detach().abs().max().item() if weight.numel() else 0.0
    return _fitting(largest, limit, name)


def _fitting(largest: float, limit: float, name: str) -> float:
    if not math.isfinite(largest):
        raise NetworkError(f"{name}: a weight is {largest}; every weight must be finite")
    return limit / largest if largest > 0 else 1.0


def threshold_mantissa(neuron: SpikingNeuron, scale: float, input_divisor: float) -> int:
    """Threshold mantissa of a layer: ``int(threshold * scale * input_divisor)``, as SLAYER truncates it."""
    return max(1, int(neuron.threshold * scale * input_divisor))


def clip_weight(weight: torch.Tensor) -> torch.Tensor:
    """Integer weights within -256 to 254, as stock SLAYER clips them; no gradient beyond."""
    return weight.clamp(LOWEST_WEIGHT, WEIGHT_LIMIT)


def check_integers(
    weight: torch.Tensor,
    threshold: int,
    neuron: SpikingNeuron,
    *,
    input_bound: int,
    time_steps: int,
    name: str,
    bias: torch.Tensor | None = None,
) -> bool:
    r"""Check a layer whose scale is given, not chosen: weights, threshold and biases fit.

    .. math::
        1 \le \Theta < 2^{17},\quad B < 2^{12},\quad \max(P, N)\, m < 2^{25} - 2^{17}.

    The last is what 32-bit arithmetic asks of sums.

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Integer weights.
    threshold : int
        Threshold mantissa.
    bias : Tensor of shape (out,), optional
        Integer biases.
    neuron, input_bound, time_steps, name
        As in :func:`weight_scale`.

    Returns
    -------
    bool
        Whether no input can drive a current out of its range: :math:`\max(P, N)\, m\, g_u < 2^{17}`.

    Raises
    ------
    NetworkError
        A bound does not hold, or a weight is not finite.
    """
    if not 1 <= threshold <= THRESHOLD_LIMIT:
        raise NetworkError(
            f"{name}: its threshold is {threshold} integer units; expected 1 to {THRESHOLD_LIMIT}"
            " (17 bits): change the neuron's threshold or scale"
        )
    total = largest_signed_sum(weight)
    if not math.isfinite(total):
        raise NetworkError(f"{name}: a weight is not finite; every weight must be")
    constant = bias.detach().abs().max().item() if bias is not None else 0.0
    if not constant <= BIAS_LIMIT:
        raise NetworkError(
            f"{name}: a bias is {constant:g} integer units; expected at most {BIAS_LIMIT} (13 bits): change"
            " the bias or the neuron's scale"
        )
    if not total * input_bound < ARITHMETIC_LIMIT:
        raise NetworkError(
            f"{name}: the weights of a neuron sum to {total:g} of one sign, and with inputs up to"
            f" {input_bound} to {total * input_bound:g}; 32-bit arithmetic holds sums below"
            f" {ARITHMETIC_LIMIT}: give an input_max no larger than inputs are, a smaller scale"
            " (weight_scale), or prune it"
        )
    return total <= proven_sum(neuron, input_bound, time_steps)


def largest_signed_sum(weight: torch.Tensor) -> float:
    """Largest sum of the positive weights, or of the magnitudes of the negative ones, of any neuron."""
    return max(_on_host(_signed_sums(weight))) if weight.numel() else 0.0
