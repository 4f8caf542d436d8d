"""Neurons of the streaming simulator with their states: one step of one sample at a time."""

import numpy as np

from deploy.simulator import events
from deploy.simulator.plan import LayerPlan
from deploy.simulator.sigma_delta import MaximumPlan, UnitPlan, check_states
from deploy.simulator.sigma_delta_kernels import send_step
from dpap.neurons.parameters import STATE_SHIFT


class SpikingPopulation:
    """Leaky integrate-and-fire neurons."""

    sum_type = np.int32

    def __init__(self, plan: LayerPlan):
        self._plan = plan
        self._left = np.zeros(plan.neurons, np.int32)
        self.reset()

    def reset(self) -> None:
        """Set all states to rest."""
        self._current, self._voltage = (np.zeros(self._plan.neurons, np.int32) for _ in range(2))

    def step(self, sums: np.ndarray) -> tuple[np.ndarray, bool]:
        """Spikes, uint8, for int32 synaptic sums, which are set back to zero.

        With it comes whether a current left its 24 bits, and was wrapped as Lava does.
        """
        plan, spikes = self._plan, np.empty(self._plan.neurons, np.uint8)
        left = events.fire(sums, plan.bias, plan.neuron, self._current, self._voltage, spikes, self._left)
        return spikes, left

    def first_overflow(self) -> tuple[int, int]:
        """The first neuron whose current left its range in the last step, and that current's synaptic sum."""
        neuron = int(np.flatnonzero(self._left)[0])
        return neuron, int(self._left[neuron]) >> STATE_SHIFT


class SigmaDeltaPopulation:
    """Units that send changes of their activations."""

    sum_type = np.int64

    def __init__(self, plan: UnitPlan):
        self._plan = plan
        self.reset()

    def reset(self) -> None:
        """Set all states to rest."""
        self._state, self._sent = (np.zeros(self._plan.neurons, np.int64) for _ in range(2))

    def step(self, sums: np.ndarray) -> tuple[np.ndarray, bool]:
        """Messages, int32, for int64 synaptic sums, which are set back to zero, and False.

        Raises
        ------
        ActivationOverflow
            A state leaves what Lava holds.
        """
        plan, neuron = self._plan, self._plan.neuron
        messages = np.empty(plan.neurons, np.int32)
        constants = neuron.threshold, neuron.shift, neuron.rectified
        reached = send_step(sums, plan.bias, *constants, self._state, self._sent, messages)
        check_states(plan.name, neuron, int(reached))
        return messages, False


class MaximumPopulation:
    """Units that send changes of maxima."""

    def __init__(self, plan: MaximumPlan):
        self._plan = plan
        self._windows = np.flatnonzero(np.diff(plan.indptr))
        self.reset()

    def reset(self) -> None:
        """Forget what was heard and sent."""
        self._known: np.ndarray | int = 0
        self._largest = np.zeros(self._plan.neurons, np.int32)

    def step(self, arriving: np.ndarray) -> np.ndarray:
        """Messages, int32, for what the source sent."""
        self._known = self._known + arriving
        largest = np.zeros_like(self._largest)
        if len(self._windows):
            starts = self._plan.indptr[self._windows]
            largest[self._windows] = np.maximum.reduceat(self._known[self._plan.sources], starts)
        messages = largest - self._largest
        self._largest = largest
        return messages


POPULATIONS = {
    LayerPlan: SpikingPopulation,
    UnitPlan: SigmaDeltaPopulation,
    MaximumPlan: MaximumPopulation,
}
"""By the type of a layer's plan."""
