"""Rectified linear units that send their changes, in a block."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from dpap.blocks.dynamics import Dynamics
from dpap.blocks.exact_products import exact_sums
from dpap.neurons.activations import first_overflow, state_limit
from dpap.neurons.sigma_delta import decoded, messages
from dpap.quantization import power_of_two, scaling, straight_through
from dpap.quantization.scaling import WEIGHT_STEP
from dpap.quantization.weight_bits import largest_weight, narrowed, step_for

if TYPE_CHECKING:
    from dpap.blocks.block import SynapticBlock


FLOAT_SHIFT = 12
"""Digits of sums beyond those of messages where weights are not rounded: finer ones would not be seen."""


class ReLUIntegers(NamedTuple):
    """The whole numbers of a block of :class:`dpap.ReLU` units, as they are deployed.

    Attributes
    ----------
    weight : Tensor
        Even integer weights, in a float dtype.
    scale : float
        Integer units of a real weight of 1: a power of two.
    threshold : int
        Threshold of changes, in the units of sums.
    bias : Tensor of shape (out,) or None
        Even integer biases in the units of sums, in a float dtype.
    shift : int
        Binary digits of a sum that its message leaves out.
    """

    weight: torch.Tensor
    scale: float
    threshold: int
    bias: torch.Tensor | None
    shift: int


class ReLUDynamics(Dynamics):
    """:class:`dpap.ReLU` units: what a block gives is activations in whole messages.

    The sums of every pass are exact (:mod:`dpap.blocks.exact_products`). That they fit into Lava's 32 bits
    is checked in every pass, since it depends on the inputs: the largest activation that weights and inputs
    allow grows from layer to layer by far more than activations do, and would leave no bits for them.
    """

    sum_limit = 1 << 24
    """Normalised sums are rounded to whole numbers, which float32 holds up to here."""

    def initialize(self, weight: torch.Tensor) -> None:
        """Weights that keep the variance of activations through rectification (He et al. 2015)."""
        torch.nn.init.kaiming_uniform_(weight, nonlinearity="relu")

    def drop(self, block: "SynapticBlock") -> int:
        """The power of two between the units of inputs and of messages."""
        return round(math.log2(block.input_divisor)) - block.neuron.fraction_bits

    def output_divisor(self, block: "SynapticBlock") -> float:
        """Messages that stand for 1: the input's unit, divided by a power of two."""
        return block.input_divisor / 2.0 ** self.drop(block)

    def integers(
        self, block: "SynapticBlock", weight: torch.Tensor, bias: torch.Tensor | None
    ) -> ReLUIntegers:
        """At the block's own scale, or at the largest power of two that fits.

        See :mod:`dpap.quantization.power_of_two`.
        """
        drop, divisor, bits = self.drop(block), block.input_divisor, block.weight_bits
        if block.scale is None:
            weight = weight if bits is None else narrowed(weight, bits)
            exponent = power_of_two.weight_exponent(
                weight,
                bias,
                threshold=block.neuron.threshold,
                input_divisor=divisor,
                drop=drop,
                name=block.name,
                limit=math.inf if bits is None else largest_weight(bits),
                largest_shift=FLOAT_SHIFT if bits is None else power_of_two.LARGEST_SHIFT,
            )
        else:
            exponent = math.frexp(block.scale)[1] - 1
        scale, shift = 2.0**exponent, exponent + drop
        if not block.quantized:
            integers = weight * scale
        else:
            step = WEIGHT_STEP if block.scale is not None else step_for(weight, scale, bits)
            integers = straight_through.quantize_weight(weight, scale, step)
        if bias is not None:
            bias = power_of_two.quantize_even_bias(bias, scale * divisor)
        threshold = math.ceil(block.neuron.threshold * scale * divisor)
        if block.scale is not None:
            integers = scaling.clip_weight(integers)
            power_of_two.check_integers(integers, bias, max(threshold, 1), shift, block.name)
        return ReLUIntegers(integers, scale, max(threshold, 1 << shift), bias, shift)

    def sums(self, block: "SynapticBlock", inputs: torch.Tensor, integers: ReLUIntegers) -> torch.Tensor:
        """Exact sums with their biases, in float64 where it must be."""
        sums = exact_sums(block.synapse, inputs.flatten(0, 1), integers.weight, integers.bias, block.groups)
        if not block.quantized:
            sums = straight_through.round_straight_through(sums)
        return sums.unflatten(0, inputs.shape[:2])

    def respond(
        self, block: "SynapticBlock", sums: torch.Tensor, integers: ReLUIntegers, pool: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Activations that receivers hold, and the same before the pool.

        Raises
        ------
        ActivationOverflow
            A sum leaves 32 bits, or a message 24.
        """
        _check_state(block, sums.detach(), integers)
        activity = decoded(sums, integers.threshold, integers.shift, block.neuron.rectified)
        activity = activity.to(block.weight.dtype)
        if pool == 1:
            return activity, activity
        pooled = torch.nn.functional.avg_pool2d(activity.flatten(0, 1), pool, divisor_override=1)
        return pooled.unflatten(0, activity.shape[:2]), activity

    def messages(self, activity: torch.Tensor, time_steps: int) -> torch.Tensor:
        """Changes of the activations that receivers hold."""
        return messages(activity, time_steps)

    def readout(self, block: "SynapticBlock", activity: torch.Tensor) -> torch.Tensor:
        """Real activations at every step."""
        real = activity / self.output_divisor(block)
        return real.expand(block.time_steps, *real.shape[1:])


def _check_state(block: "SynapticBlock", state: torch.Tensor, integers: ReLUIntegers) -> None:
    if not state.numel():
        return
    lowest, highest = torch.aminmax(state)
    largest = torch.maximum(highest, -lowest).item()
    rectified = block.neuron.rectified
    # A rectified unit's activations are from 0 to the limit, and so are their changes.
    if (largest if rectified else 2 * largest) < state_limit(integers.shift):
        return
    by_sample = state.double().flatten(2).transpose(0, 1).cpu().numpy()
    found = first_overflow(
        by_sample,
        integers.threshold,
        integers.shift,
        rectified,
        lambda neuron: tuple(int(at) for at in np.unravel_index(neuron, state.shape[2:])),
    )
    if found is not None:
        raise found.error(block.name)
