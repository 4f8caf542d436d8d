"""Spiking neurons in a block."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from dpap.blocks.dynamics import Dynamics, Integers, Pass
from dpap.errors import ActivationOverflow, NetworkError
from dpap.neurons import Population
from dpap.neurons.currents import first_overflow, largest_current
from dpap.neurons.parameters import ARITHMETIC_LIMIT
from dpap.quantization import scaling, straight_through
from dpap.quantization.scaling import WEIGHT_STEP
from dpap.quantization.weight_bits import MOST_BITS, highest_level, narrowed, weight_grid
from dpap.runtime.reduction import largest_over_ranks

if TYPE_CHECKING:
    from dpap.blocks.block import SynapticBlock

_TRIES = 6
"""Passes until a range has settled: one finds it, one runs with it, and rounding may take others."""


class Spiking(Dynamics):
    """Neurons such as :class:`dpap.LIF`: what a block gives is spikes, 0 or 1.

    Where no proof keeps the currents of a block within range at a scale that leaves its weights their bits
    (:func:`dpap.quantization.weight_bits.weight_grid`), the scale follows from the largest current that was
    observed: a range as in quantisation-aware training (Jacob et al. 2018, section 3.1), which training
    widens at once and narrows slowly, and which evaluation leaves as it is.
    """

    sum_limit = ARITHMETIC_LIMIT

    def buffers(self) -> dict[str, torch.Tensor]:
        """The range of a block: the largest current in real units, 0 before one was observed."""
        return {"current_range": torch.zeros(())}

    def output_divisor(self, block: "SynapticBlock") -> int:
        """A spike is 1."""
        return 1

    def integers(self, block: "SynapticBlock", weight: torch.Tensor, bias: torch.Tensor | None) -> Integers:
        """At the block's own scale, or at the largest that is safe (:mod:`dpap.quantization.weight_bits`)."""
        if block.scale is not None:
            return self._at_own_scale(block, weight, bias, block.scale)
        if block.weight_bits is not None:
            weight = narrowed(weight, block.weight_bits)
        scale, step, proven, by_range = weight_grid(
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
        threshold = scaling.threshold_mantissa(block.neuron, scale, block.input_divisor)
        if bias is not None:
            bias = straight_through.quantize_bias(bias, scale * block.input_divisor)
        return Integers(weight, scale, threshold, bias, proven, by_range)

    def _at_own_scale(self, block, weight, bias, scale: int) -> Integers:
        integers = scaling.clip_weight(straight_through.quantize_weight(weight, scale))
        threshold = int(block.neuron.threshold * scale * block.input_divisor)
        if bias is not None:
            bias = straight_through.quantize_bias(bias, scale * block.input_divisor)
        largest = int(block.neuron.largest_threshold * scale * block.input_divisor)
        proven = scaling.check_integers(
            integers.detach(),
            max(threshold, largest) if threshold else 0,
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

    def threshold_factor(self, block: "SynapticBlock", integers: Integers) -> float:
        """The real threshold over the one that the integers stand for, both in integer units."""
        real = block.neuron.threshold * integers.scale * block.input_divisor
        if real < 1:
            raise NetworkError(
                f"{block.name}: its threshold of {block.neuron.threshold:g} is {real:g} integer units; it"
                " must be at least 1: its weights or biases are too large beside it"
            )
        return real / integers.threshold

    def normalized(self, folded: Integers) -> Integers:
        """Batches differ from the statistics that the folded weights are of, so that nothing is proven."""
        return folded._replace(bias=None, proven=False, by_range=True)

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
        reach = found.reach()
        if block.observing:
            reach, real, *_ = self._measured(block, found)
            block.observe(real)
        if reach < scaling.SUM_LIMIT:
            return found
        raise self._overflow(block, found)

    def _overflow(self, block: "SynapticBlock", found: Pass) -> ActivationOverflow:
        overflow = found.overflow()
        if overflow is None:
            return ActivationOverflow(f"{block.name}: in another process a current leaves its range")
        return overflow.error(block.name, block.scale is not None)

    def _observed(self, block: "SynapticBlock", run: Callable[[], Pass]) -> Pass:
        before = None
        for repeated in range(_TRIES):
            known, found = block.observed_range, run()
            if not found.integers.by_range:
                return found
            reach, real, rounding, changed = self._measured(block, found, before)
            if reach < scaling.SUM_LIMIT:
                block.observe(real, rounding)
                if known is not None or not reach:
                    return found
            else:
                # Weights that are rounded at a smaller scale can cause larger currents: ever more room.
                block.observe(real * (1 + rounding * (2**repeated - 1)))
            if not changed:
                break
            before = found.integers.scale
        return found if reach < scaling.SUM_LIMIT else self._clipped(block, found)

    def _clipped(self, block: "SynapticBlock", found: Pass) -> Pass:
        """Sums that no smaller scale brings into range, clipped as a quantiser clips.

        They were normalised by a batch far from the running statistics, which set the scale.
        """
        gain, _ = scaling.state_gain(block.neuron, block.time_steps)
        limit = int((scaling.SUM_LIMIT - 1) / gain)
        return found._replace(values=found.values.clamp(-limit, limit))

    def _measured(
        self, block: "SynapticBlock", found: Pass, before: float | None = None
    ) -> tuple[float, float, float, bool]:
        """How far currents reach in sums and in real units, how far weights round, whether the scale changed.

        Weights round relative to the largest of them.
        In any process: while they train, their running statistics differ, and scales with them.
        """
        reach, scale = found.reach(), found.integers.scale
        real, rounding = reach / (scale * block.input_divisor), self._rounding(block, found.integers)
        measured = reach, real, rounding, float(scale != before)
        if block.training:
            measured = largest_over_ranks(measured, block.weight.device)
        *measured, changed = measured
        return *measured, bool(changed)

    @staticmethod
    def _rounding(block: "SynapticBlock", integers: Integers) -> float:
        largest = integers.weight.detach().abs().max().item() if block.quantized else 0.0
        if not largest:
            return 0.0
        bits = MOST_BITS if block.weight_bits is None else block.weight_bits
        return max(WEIGHT_STEP / largest, 1 / highest_level(bits)) / 2

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
            spikes = block.neuron.spikes(sums, population, integers.bias)
            return spikes, spikes
        return block.neuron.pooled_spikes(sums, population, pool, integers.bias)

    def messages(self, activity: torch.Tensor, time_steps: int) -> torch.Tensor:
        """Spikes are sent as they are."""
        return activity

    def readout(self, block: "SynapticBlock", activity: torch.Tensor) -> torch.Tensor:
        """Spikes are the output."""
        return activity
