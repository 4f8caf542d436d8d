r"""Bounds of the activations of sigma-delta units, and the error where one leaves its range.

A state :math:`A[t]`, and its change since the last message (:mod:`dpap.neurons.sigma_delta`), must stay below

.. math::
    \min(2^{31},\ 2^{23 + k})

in magnitude: Lava holds states in 32 bits, and messages, which leave k digits out, in 24.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dpap.errors import ActivationOverflow
from dpap.neurons.sigma_delta import MESSAGE_LIMIT, STATE_LIMIT


def state_limit(shift: int) -> int:
    """What states and their changes must stay below in magnitude, for the shift of their messages."""
    return min(STATE_LIMIT, MESSAGE_LIMIT << shift)


@dataclass(frozen=True)
class StateOverflow:
    """The first state or change of a layer that leaves its range, in the order of samples, steps and neurons.

    Attributes
    ----------
    sample, step : int
    neuron : tuple of int
        Index in the layer's shape.
    value : float
        In whole numbers.
    limit : int
    change : bool
        Whether it is the change that leaves the range, and not the state.
    """

    sample: int
    step: int
    neuron: tuple[int, ...]
    value: float
    limit: int
    change: bool = False

    def error(self, layer: str) -> ActivationOverflow:
        """The error that says so."""
        what = "the change of an activation" if self.change else "an activation"
        neuron = self.neuron[0] if len(self.neuron) == 1 else self.neuron
        return ActivationOverflow(
            f"{layer}: {what} reaches {self.value:.0f} in neuron {neuron} in sample {self.sample} at step"
            f" {self.step}, in whole numbers; it must stay below {self.limit} in magnitude (32 bits for"
            " states, 24 for messages): build the network with fewer fraction_bits, or give it smaller inputs"
        )


def first_overflow(
    states: np.ndarray,
    threshold: int,
    shift: int,
    rectified: bool,
    neuron_index: Callable[[int], tuple[int, ...]],
    first_sample: int = 0,
) -> StateOverflow | None:
    """Where the first state or change leaves its range; None where none does.

    Parameters
    ----------
    states : int64 or float64 array of shape (N, T, neurons)
        Whole numbers.
    threshold, shift : int
    rectified : bool
        Of the units.
    neuron_index : callable
        Gives a neuron's index in the layer's shape.
    first_sample : int
        Number of the first of the samples.
    """
    limit, found = state_limit(shift), None
    sent = np.zeros_like(states[:, 0]) if states.size else None
    for step, state in enumerate(np.moveaxis(states, 1, 0) if states.size else ()):
        change = (state.clip(min=0) if rectified else state) - sent
        change[np.abs(change) < threshold] = 0
        sent = sent + change
        # What is not a number is outside, too.
        by_state, by_change = ~(np.abs(state) < limit), ~(np.abs(change) < limit)
        outside = np.argwhere(by_state | by_change)
        if len(outside) and (found is None or first_sample + outside[0, 0] < found.sample):
            place = sample, neuron = tuple(int(index) for index in outside[0])
            value = state[place] if by_state[place] else change[place]
            index = neuron_index(neuron)
            found = StateOverflow(first_sample + sample, step, index, value, limit, not by_state[place])
    return found
