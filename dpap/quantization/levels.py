"""Counts of a layer's levels and weights that rounding removes."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from dpap.errors import NetworkError, PrecisionWarning
from dpap.neurons.neuron import SpikingNeuron
from dpap.quantization.scaling import fitting_scale, weight_extents
from dpap.quantization.weight_bits import MOST_BITS, highest_level

if TYPE_CHECKING:
    from dpap.blocks import SynapticBlock
    from dpap.networks import Network

FEWEST_LEVELS = 16
"""Distinct integer weights below which a layer is said to have few, zero included. With fewer bits it is the
levels of one sign, if that is less."""

VANISHED_SHARE = 0.25
"""Share of weights other than zero that may become zero."""

COARSE_BITS = 4
"""With so few bits many weights become zero whatever the scale, as is expected."""


@dataclass(frozen=True)
class Levels:
    """A layer's weights after rounding.

    Attributes
    ----------
    weights : int
        Weights other than zero before.
    vanished : int
        How many of them are zero in integers.
    real, whole : int
        Distinct weights before and in integers.
    largest : int
        Largest magnitude of an integer weight.
    """

    weights: int
    vanished: int
    real: int
    whole: int
    largest: int


@torch.no_grad()
def levels_of(block: "SynapticBlock") -> Levels:
    """Count a synaptic block's levels, before and after rounding."""
    real, _ = block.real_parameters()
    whole = block.integer_parameters().weight
    there = real != 0
    return Levels(
        weights=int(there.sum()),
        vanished=int((there & (whole == 0)).sum()),
        real=len(real.unique()),
        whole=len(whole.unique()),
        largest=int(whole.abs().max()) if whole.numel() else 0,
    )


def warn_of_lost_levels(network: "Network", stacklevel: int = 3) -> None:
    """Say which layers of a network rounding leaves few levels, or many weights fewer.

    Raises
    ------
    NetworkError
        All weights of a layer round to 0.

    Warns
    -----
    PrecisionWarning
        A layer has fewer than :data:`FEWEST_LEVELS` distinct integer weights (or than the levels of one sign
        that its bits have) while it had more before, or more than :data:`VANISHED_SHARE` of its weights
        became 0 with more than :data:`COARSE_BITS` bits.
    """
    for block in network.synaptic_blocks():
        if block.quantized:
            levels = levels_of(block)
            if levels.weights and levels.vanished == levels.weights:
                raise NetworkError(
                    f"{block.name}: all its {levels.weights} weights become 0 in integers: {_remedy(block)}"
                )
            fault = _fault(block, levels)
            if fault is not None:
                said = f"{block.name}: {fault}: {_remedy(block)}"
                warnings.warn(said, PrecisionWarning, stacklevel=stacklevel)


def _fault(block: "SynapticBlock", levels: Levels) -> str | None:
    bits = MOST_BITS if block.scale is not None or block.weight_bits is None else block.weight_bits
    few = min(FEWEST_LEVELS, highest_level(bits))
    if levels.whole < min(few, levels.real):
        return (
            f"{levels.real} distinct weights become {levels.whole} in integers, up to {levels.largest} in"
            f" magnitude, and {levels.vanished} of {levels.weights} become 0"
        )
    if bits > COARSE_BITS and levels.vanished > VANISHED_SHARE * levels.weights:
        return (
            f"{levels.vanished} of its {levels.weights} weights become 0 in integers, which reach"
            f" {levels.largest} in magnitude"
        )
    return None


def _remedy(block: "SynapticBlock") -> str:
    if block.scale is not None:
        return "its scale is its own; let dpap.quantize choose one by samples"
    if block.weight_bits is not None and block.weight_bits < MOST_BITS:
        return "give it more weight_bits"
    if "current_range" not in block.dynamics.buffers():
        return "its largest weights and biases leave the others no levels; let these shrink"
    scale = block.integer_parameters().scale
    weight, bias = block.real_parameters()
    (extent,) = weight_extents([weight])
    fit = fitting_scale(
        extent,
        cast(SpikingNeuron, block.neuron),
        input_divisor=block.input_divisor,
        name=block.name,
        bias=bias,
    )
    if scale >= fit / 2:
        return "its largest weights, its biases or its threshold leave the others no levels; let these shrink"
    if block.observed_range is None:
        return "nothing is known of its currents; calibrate it by samples (dpap.calibrate)"
    return (
        f"its currents fill their 24 bits with inputs up to {block.input_bound}; coarser inputs (a smaller"
        " input_max, inputs divided alike) or a smaller range_margin leave weights more levels"
    )
