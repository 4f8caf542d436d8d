"""Neurons of the streaming simulator with their states: one step of one sample at a time."""

import numpy as np

from deploy.ir import Layer
from deploy.ir.neurons.sigma_delta import send_step
from deploy.simulator.plan import LayerPlan
from deploy.simulator.sigma_delta import MaximumPlan, UnitPlan
from dpap.errors import ActivationOverflow
from dpap.neurons.activations import StateOverflow, state_limit
from dpap.neurons.currents import Overflow
from dpap.neurons.parameters import STATE_SHIFT


class SpikingPopulation:
    """Neurons that send spikes."""

    sum_type = np.int32
    can_wrap = True

    def __init__(self, plan: LayerPlan):
        self._plan = plan
        self._left = np.zeros(plan.neurons, np.int32)
        self.reset()

    def reset(self) -> None:
        """Set all states to rest."""
        self._states = self._plan.kind.rest(self._plan.neurons)

    def step(self, sums: np.ndarray) -> tuple[np.ndarray, bool]:
        """Spikes, uint8, for int32 synaptic sums, which are set back to zero.

        With it comes whether a current left its 24 bits, and was wrapped as Lava does.
        """
        plan, spikes = self._plan, np.empty(self._plan.neurons, np.uint8)
        left = plan.kind.step(sums, plan.bias, plan.neuron, self._states, spikes, self._left)
        return spikes, left

    def overflow(self, layer: Layer, step: int) -> ActivationOverflow:
        """The error for the first neuron whose current left its range in the last step, which is given."""
        neuron = int(np.flatnonzero(self._left)[0])
        current = int(self._left[neuron]) >> STATE_SHIFT
        return Overflow(0, step, layer.neuron_index(neuron), current).error(layer.name)


class SigmaDeltaPopulation:
    """Units that send changes of their activations."""

    sum_type = np.int64
    can_wrap = False

    def __init__(self, plan: UnitPlan):
        self._plan = plan
        self._limit = state_limit(plan.neuron.shift)
        self.reset()

    def reset(self) -> None:
        """Set all states to rest."""
        self._state, self._sent = (np.zeros(self._plan.neurons, np.int64) for _ in range(2))

    def step(self, sums: np.ndarray) -> tuple[np.ndarray, bool]:
        """Messages, int32, for int64 synaptic sums, which are set back to zero.

        With it comes whether a state or its change left what Lava holds.
        """
        plan, neuron = self._plan, self._plan.neuron
        messages = np.empty(plan.neurons, np.int32)
        constants = neuron.threshold, neuron.shift, neuron.rectified, self._limit
        outside, change = send_step(sums, plan.bias, *constants, self._state, self._sent, messages)
        self._outside = int(outside), int(change)
        return messages, outside >= 0

    def overflow(self, layer: Layer, step: int) -> ActivationOverflow:
        """The error for the first unit whose state or change left its range in the last step."""
        unit, change = self._outside
        state = int(self._state[unit] + self._plan.bias[unit])
        by_change = abs(state) < self._limit
        value, place = change if by_change else state, layer.neuron_index(unit)
        return StateOverflow(0, step, place, value, self._limit, by_change).error(layer.name)


class MaximumPopulation:
    """Units that send changes of maxima."""

    def __init__(self, plan: MaximumPlan):
        self._plan = plan
        self._windows = np.flatnonzero(np.diff(plan.indptr))
        self.reset()

    def reset(self) -> None:
        """Forget what was received and sent."""
        self._known: np.ndarray | int = 0
        self._largest = np.zeros(self._plan.neurons, np.int32)

    def step(self, arriving: np.ndarray) -> tuple[np.ndarray, bool]:
        """Messages, int32, for what the source sent; nothing of them leaves its range."""
        self._known = self._known + arriving
        largest = np.zeros_like(self._largest)
        if len(self._windows):
            starts = self._plan.indptr[self._windows]
            largest[self._windows] = np.maximum.reduceat(self._known[self._plan.sources], starts)
        messages = largest - self._largest
        self._largest = largest
        return messages, False


POPULATIONS = {
    LayerPlan: SpikingPopulation,
    UnitPlan: SigmaDeltaPopulation,
    MaximumPlan: MaximumPopulation,
}
"""By the type of a layer's plan."""
