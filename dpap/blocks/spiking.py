"""Leaky integrate-and-fire neurons in a block."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from dpap import quantization, straight_through
from dpap.blocks.dynamics import Dynamics, Integers, Pass
from dpap.neurons import Population, lif, lif_pool
from dpap.neurons.currents import first_overflow, largest_current
from dpap.neurons.parameters import ARITHMETIC_LIMIT
from dpap.reduction import largest_over_ranks
from dpap.weight_bits import narrowed, weight_grid

if TYPE_CHECKING:
    from dpap.blocks.block import SynapticBlock

_TRIES = 4
"""Passes until a range has settled: one finds it, one runs with it, and rounding may take another."""


class Spiking(Dynamics):
    """:class:`dpap.LIF` neurons: what a block gives is spikes, 0 or 1.

    Where no proof keeps the currents of a block within range at a scale that leaves its weights their bits
    (:func:`dpap.weight_bits.weight_grid`), the scale follows from the largest current that was observed: a
    range as in quantisation-aware training (Jacob et al. 2018, section 3.1), which training widens at once
    and narrows slowly, and which evaluation leaves as it is.
    """

    sum_limit = ARITHMETIC_LIMIT

    def buffers(self) -> dict[str, torch.Tensor]:
        """The range of a block: the largest current in real units, 0 before one was observed."""
        return {"current_range": torch.zeros(())}

    def output_divisor(self, block: "SynapticBlock") -> int:
        """A spike is 1."""
        return 1

    def integers(self, block: "SynapticBlock", weight: torch.Tensor, bias: torch.Tensor | None) -> Integers:
        """At the block's own scale, or at the largest that is safe (:mod:`dpap.weight_bits`)."""
        if block.scale is not None:
            return self._at_own_scale(block, weight, bias, block.scale)
        if block.weight_bits is not None:
            weight = narrowed(weight, block.weight_bits)
        scale, step, proven = weight_grid(
            weight,
            block.neuron,
            block.weight_bits,
            input_bound=block.input_bound,
            input_divisor=block.input_divisor,
            time_steps=block.time_steps,
            name=block.name,
            bias=bias,
            reached=block.observed_range,
            margin=block.range_margin,
        )
        weight = straight_through.quantize_weight(weight, scale, step) if step else weight * scale
        threshold = quantization.threshold_mantissa(block.neuron, scale, block.input_divisor)
        if bias is not None:
            bias = straight_through.quantize_bias(bias, scale * block.input_divisor)
        return Integers(weight, scale, threshold, bias, proven)

    def _at_own_scale(self, block, weight, bias, scale: int) -> Integers:
        integers = quantization.clip_weight(straight_through.quantize_weight(weight, scale))
        threshold = int(block.neuron.threshold * scale * block.input_divisor)
        if bias is not None:
            bias = straight_through.quantize_bias(bias, scale * block.input_divisor)
        proven = quantization.check_integers(
            integers.detach(),
            threshold,
            block.neuron,
            input_bound=block.input_bound,
            time_steps=block.time_steps,
            name=block.name,
            bias=bias,
        )
        return Integers(integers, float(scale), threshold, bias, proven)

    def sums(self, block: "SynapticBlock", inputs: torch.Tensor, integers: Integers) -> torch.Tensor:
        """Sums that are exact by the choice of the scale; biases go to the voltages."""
        sums = block.sums_over_time(inputs, integers.weight)
        return sums if block.quantized else straight_through.round_straight_through(sums)

    def normalized(self, folded: Integers) -> Integers:
        """Batches differ from the statistics that the folded weights are of, so that nothing is proven."""
        return folded._replace(bias=None, proven=False)

    def passed(self, block: "SynapticBlock", sums: torch.Tensor, integers: Integers) -> Pass:
        """A pass with these sums, and what its currents reach."""
        keep, steps = block.neuron.current_keep, block.time_steps
        return Pass(
            sums,
            integers,
            reach=lambda: largest_current(sums, keep, steps),
            overflow=lambda: first_overflow(sums, keep, steps),
        )

    def settled(self, block: "SynapticBlock", run: Callable[[], Pass]) -> Pass:
        """A pass whose currents stay within range; in training and calibration the range follows them.

        Raises
        ------
        ActivationOverflow
            A current leaves its range, and the block can take no other scale.
        """
        if block.observing and block.scale is None:
            return self._observed(block, run)
        found = run()
        if found.integers.proven or block.on_overflow == "wrap":
            return found
        reach = self._observe(block, found) if block.observing else found.reach()
        if reach < quantization.SUM_LIMIT:
            return found
        raise found.overflow().error(block.name, block.scale is not None)

    def _observed(self, block: "SynapticBlock", run: Callable[[], Pass]) -> Pass:
        before, reach = None, 0.0
        for _ in range(_TRIES):
            known, found = block.observed_range, run()
            if found.integers.proven or found.integers.scale == before:
                break
            reach, before = self._observe(block, found), found.integers.scale
            if known is not None and reach < quantization.SUM_LIMIT:
                break
        if found.integers.proven or reach < quantization.SUM_LIMIT:
            return found
        # Sums that were normalised by a batch far from the running statistics: clipped, as a quantiser clips.
        limit = quantization.SUM_LIMIT - 1
        return found._replace(values=found.values.clamp(-limit, limit))

    def _observe(self, block: "SynapticBlock", found: Pass) -> float:
        """Take the currents of a pass into the range; how far they reach, in all processes."""
        reach = found.reach()
        if block.training:
            reach = largest_over_ranks(reach, block.weight.device)
        block.observe(reach / (found.integers.scale * block.input_divisor))
        return reach

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
