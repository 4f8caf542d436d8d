"""Leaky integrate-and-fire neurons in a block."""

import math
from typing import TYPE_CHECKING

import torch

from dpap import quantization, straight_through
from dpap.blocks.dynamics import Dynamics, Integers
from dpap.neurons import Population, lif, lif_pool
from dpap.weight_bits import narrowed, weight_grid

if TYPE_CHECKING:
    from dpap.blocks.block import SynapticBlock


class Spiking(Dynamics):
    """:class:`dpap.LIF` neurons: what a block gives is spikes, 0 or 1."""

    sum_limit = quantization.SUM_LIMIT

    def output_divisor(self, block: "SynapticBlock") -> int:
        """A spike is 1."""
        return 1

    def integers(self, block: "SynapticBlock", weight: torch.Tensor, bias: torch.Tensor | None) -> Integers:
        """At the block's own scale, or at the largest that is safe (:mod:`dpap.quantization`)."""
        if block.scale is not None:
            return self._at_own_scale(block, weight, bias, block.scale)
        bounds = {
            "input_bound": block.input_bound,
            "input_divisor": block.input_divisor,
            "time_steps": block.time_steps,
            "name": block.name,
            "bias": bias,
        }
        if block.weight_bits is None:
            scale = quantization.weight_scale(weight, block.neuron, limit=math.inf, **bounds)
            weight = weight * scale
        else:
            weight = narrowed(weight, block.weight_bits)
            scale, step = weight_grid(weight, block.neuron, block.weight_bits, **bounds)
            weight = straight_through.quantize_weight(weight, scale, step)
        threshold = quantization.threshold_mantissa(block.neuron, scale, block.input_divisor)
        if bias is not None:
            bias = straight_through.quantize_bias(bias, scale * block.input_divisor)
        return Integers(weight, scale, threshold, bias)

    def _at_own_scale(self, block, weight, bias, scale: int) -> Integers:
        integers = quantization.clip_weight(straight_through.quantize_weight(weight, scale))
        threshold = int(block.neuron.threshold * scale * block.input_divisor)
        if bias is not None:
            bias = straight_through.quantize_bias(bias, scale * block.input_divisor)
        # A scale that was chosen is safe by its choice; this one has to be proven, whatever was learned.
        quantization.check_integers(
            integers.detach(),
            threshold,
            block.neuron,
            input_bound=block.input_bound,
            time_steps=block.time_steps,
            name=block.name,
            bias=bias,
        )
        return Integers(integers, float(scale), threshold, bias)

    def sums(self, block: "SynapticBlock", inputs: torch.Tensor, integers: Integers) -> torch.Tensor:
        """Sums that are exact by the choice of the scale; biases go to the voltages."""
        sums = block.sums_over_time(inputs, integers.weight)
        return sums if block.quantized else straight_through.round_straight_through(sums)

    def population(self, block: "SynapticBlock", integers: Integers) -> Population:
        """The block's neurons with their integer constants."""
        unit = integers.scale * block.input_divisor
        return Population(block.neuron, integers.threshold, unit, block.time_steps)

    def respond(
        self, block: "SynapticBlock", sums: torch.Tensor, integers: Integers, pool: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes, or their sums over windows and over positions."""
        population = self.population(block, integers)
        if pool == 1:
            spikes = lif(sums, population, integers.bias)
            return spikes, spikes
        return lif_pool(sums, population, pool, integers.bias)

    def messages(self, activity: torch.Tensor, time_steps: int) -> torch.Tensor:
        """Spikes are sent as they are."""
        return activity

    def readout(self, block: "SynapticBlock", activity: torch.Tensor) -> torch.Tensor:
        """Spikes are the output."""
        return activity
