r"""Weights as the integers that run, at a scale per layer.

A weight is an 8-bit mantissa times two: even, from -254 to 254 (Loihi's mixed-sign mode; -256 is left out,
so that a weight and its negative have the same magnitude). With fewer bits it is a multiple of a larger step
(:mod:`dpap.weight_bits`). A layer's scale says how many integer units make a real weight of 1. It is the
largest at which

* every weight fits into its bits,
* no synaptic sum and no negative membrane potential can leave Lava's 24 bits, whatever the input
  (Lava wraps there and SLAYER does not),
* the threshold fits into 17 bits, and
* every bias fits into 13 bits.

So the three numbers proven by :func:`weight_scale` make Lava, SLAYER and this package agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dpap.errors import NetworkError
from dpap.neurons.parameters import (
    DECAY_UNITY,
    LIF,
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
    # as much as float32 tells apart: an integer weight would move with it.
    rows = weight.detach().flatten(1)
    positive = rows.clamp(min=0).sum(1, dtype=torch.float64)
    negative = positive - rows.sum(1, dtype=torch.float64)
    return positive.max(), negative.max()


def _on_host(values: Sequence[torch.Tensor]) -> list[float]:
    if all(value.is_cpu for value in values):
        return [value.item() for value in values]
    return torch.stack(values).tolist()


def steady_gain(keep: int) -> float:
    """Sum of ``1 + k + k**2 + ...`` for ``k = keep / 4096``: how far constant input drives a leaky state."""
    return math.inf if keep >= DECAY_UNITY else DECAY_UNITY / (DECAY_UNITY - keep)


def state_gain(neuron: LIF, time_steps: int) -> tuple[float, float]:
    """Factors from the largest synaptic sum to the largest current and the lowest voltage.

    A state without leak grows with the number of steps, so the gain is at most ``time_steps`` each. A
    positive voltage needs no bound beyond the current's: it fires before it can accumulate.
    """
    return gains(neuron.current_keep, neuron.voltage_keep, time_steps)


def gains(current_keep: int, voltage_keep: int, time_steps: int) -> tuple[float, float]:
    """The same from what states keep in a step, in 1/4096; each is at least 1."""
    current = min(steady_gain(current_keep), float(time_steps))
    voltage = min(steady_gain(voltage_keep), float(time_steps))
    return current, current * voltage


def weight_scale(
    weight: torch.Tensor,
    neuron: LIF,
    *,
    input_bound: int,
    input_divisor: int,
    time_steps: int,
    name: str,
    bias: torch.Tensor | None = None,
    extent: WeightExtent | None = None,
    step: int = WEIGHT_STEP,
    limit: float = WEIGHT_LIMIT,
) -> float:
    r"""The largest safe scale of a layer.

    With :math:`P` and :math:`N` the largest sums of positive weights and of negative magnitudes,
    :math:`n` half a step for each synapse of a neuron (by which it may be rounded away from zero),
    :math:`m` the largest input, :math:`B` the largest magnitude of a bias, :math:`g` the gains of
    :func:`state_gain` and :math:`h = g_v / g_u` that of the voltage alone, the scale :math:`s` satisfies

    .. math::
        s \max|w| \le L,\quad (sP + n)\, m\, g_u < 2^{17},\quad
        (sN + n)\, m\, g_v + (s\, d\, B + 1)\, h < 2^{17},\quad
        s\, d\, \vartheta < 2^{17},\quad s\, d\, B < 2^{12}.

    Parameters
    ----------
    weight : Tensor of shape (out, ...)
        Real weights, the pruned ones at zero.
    neuron : LIF
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

    Raises
    ------
    NetworkError
        No scale satisfies the bounds, or a weight or bias is not finite.
    """
    extent = extent or weight_extents([weight])[0]
    fitting = _fitting(extent.largest, limit, name)
    constant = bias.detach().abs().max().item() if bias is not None else 0.0
    if not math.isfinite(constant):
        raise NetworkError(f"{name}: a bias is {constant}; every bias must be finite")
    constant *= input_divisor
    fan_in = weight[0].numel() if len(weight) else 0
    rounded = fan_in * step / 2
    current_gain, voltage_gain = state_gain(neuron, time_steps)
    limits = [THRESHOLD_LIMIT / (input_divisor * neuron.threshold)]
    if extent.largest > 0:
        limits.append(fitting)
    if constant > 0:
        limits.append((BIAS_LIMIT - 1) / constant)
    # In the units of the lowest voltage, a bias counts less than a sum: it has no current to gather in.
    offset = 1 / (input_bound * current_gain) if bias is not None else 0
    for total, gain, biased in (
        (extent.positive, current_gain, 0),
        (extent.negative, voltage_gain, offset),
    ):
        room = (SUM_LIMIT - 1) / (input_bound * gain) - rounded - biased
        total += biased * constant
        if room <= 0:
            raise NetworkError(
                f"{name}: {fan_in} synapses a neuron with inputs up to {input_bound} can exceed the 24-bit"
                f" state of Lava at any scale of the weights; give it fewer synapses, a smaller input"
                f" (input_max), or more leak"
            )
        if total > 0:
            limits.append(room / total)
    return min(limits)


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


def threshold_mantissa(neuron: LIF, scale: float, input_divisor: int) -> int:
    """Threshold mantissa of a layer: ``int(threshold * scale * input_divisor)``, as SLAYER truncates it."""
    return max(1, int(neuron.threshold * scale * input_divisor))


def clip_weight(weight: torch.Tensor) -> torch.Tensor:
    """Integer weights within -256 to 254, as stock SLAYER clips them; no gradient beyond."""
    return weight.clamp(LOWEST_WEIGHT, WEIGHT_LIMIT)


def check_integers(
    weight: torch.Tensor,
    threshold: int,
    neuron: LIF,
    *,
    input_bound: int,
    time_steps: int,
    name: str,
    bias: torch.Tensor | None = None,
) -> None:
    r"""Prove that a layer whose scale is given, not chosen, stays within Lava's 24 bits.

    The bounds of :func:`weight_scale`, on the integers themselves:

    .. math::
        P\, m\, g_u < 2^{17},\quad N\, m\, g_v + B\, h < 2^{17},\quad 1 \le \Theta < 2^{17},\quad B < 2^{12}.

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
    positive, negative = _on_host(_signed_sums(weight)) if weight.numel() else (0.0, 0.0)
    if not math.isfinite(positive + negative):
        raise NetworkError(f"{name}: a weight is not finite; every weight must be")
    constant = bias.detach().abs().max().item() if bias is not None else 0.0
    if not constant <= BIAS_LIMIT:
        raise NetworkError(
            f"{name}: a bias is {constant:g} integer units; expected at most {BIAS_LIMIT} (13 bits): change"
            " the bias or the neuron's scale"
        )
    current_gain, voltage_gain = state_gain(neuron, time_steps)
    for sign, total, gain, offset in (
        ("positive", positive, current_gain, 0.0),
        ("negative", negative, voltage_gain, constant * voltage_gain / current_gain),
    ):
        reached = total * input_bound * gain + offset
        if not reached < SUM_LIMIT:
            raise NetworkError(
                f"{name}: the {sign} weights of a neuron sum to {total:g}; with inputs up to {input_bound}"
                f" over {time_steps} steps its state can reach {reached:g}, and Lava wraps at {SUM_LIMIT} (24"
                " bits): give it smaller or fewer weights, a smaller input_max, or more leak"
            )
