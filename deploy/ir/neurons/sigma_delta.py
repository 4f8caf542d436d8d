"""Rectified linear units that send changes of their activations.

In kernels activity is ``(T, neurons, lanes)``, the lanes being samples. Sums are of 32 bits where they are
known to fit, else of 64; on their way they may wrap and come back.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.ir.neurons.fixed_point import compiled, largest_magnitude
from deploy.ir.neurons.neuron import ChangingUnit, Range, require
from dpap.quantization.power_of_two import CONSTANT_LIMIT, LARGEST_SHIFT


@dataclass(frozen=True)
class SigmaDelta(ChangingUnit):
    r"""Rectified linear units that send changes of their activations, as Lava's ``SigmaDelta`` does.

    With :math:`A[t] = b + \sum_{t' \le t} a[t']` a unit's bias and all synaptic sums so far, and y the
    activation that was sent last, 0 at first,

    .. math::
        x[t] = \max(A[t], 0), \qquad
        m[t] = \lfloor (x[t] - y[t-1])\, 2^{-k} \rfloor \text{ and } y[t] = x[t]
        \text{ where } |x[t] - y[t-1]| \ge \Theta

    and no message elsewhere (:mod:`dpap.neurons.sigma_delta`).

    Attributes
    ----------
    threshold : int
        :math:`\Theta`, in the units of sums, at least one message, ``2**shift``.
    shift : int
        k, 0 to 22: Lava's ``state_exp``.
    rectified : bool
        Whether negative activations become zero.
    """

    kind = "sigma-delta"
    learned = "relu"
    bounded = "activation"
    bias_limit = CONSTANT_LIMIT
    update = "sigma_delta_update"

    threshold: int
    shift: int
    rectified: bool = True

    @classmethod
    def of(cls, neuron: Any, integers: Any, unit: float) -> "SigmaDelta":
        """The units of a block with these integers."""
        return cls(int(integers.threshold), integers.shift, neuron.rectified)

    def check(self) -> None:
        """Check shift and threshold."""
        require(self, "shift", 0, LARGEST_SHIFT)
        require(self, "threshold", 1 << self.shift, CONSTANT_LIMIT)

    def check_sources(self, sources: int, pooled: bool, largest_sum: int) -> None:
        """Sums may be of any size: whether activations fit depends on inputs, and every run checks it."""

    def reached(self, states: Range) -> np.ndarray:
        """Whether a unit can reach its threshold from zero, where its first message starts."""
        reached = states.high >= self.threshold
        return reached if self.rectified else reached | (states.low <= -self.threshold)

    def sent(self, states: Range, steps: int) -> Range:
        """Messages are rounded down: with every change their sum falls behind by less than 1."""
        unit = 2.0**-self.shift
        low = np.zeros_like(states.low) if self.rectified else np.minimum(states.low, 0)
        behind = steps - 1 if self.shift else 0
        return Range(np.floor(low * unit) - behind, np.floor(np.maximum(states.high, 0) * unit))


@compiled
def send_changes(sums, bias, threshold, shift, rectified, messages):
    """Messages of sigma-delta units.

    Parameters
    ----------
    sums : int32 or int64 array of shape (T, neurons, lanes)
        Synaptic sums of each step.
    bias : int64 array of shape (neurons,)
    threshold, shift : int
    rectified : bool
    messages : int32 array like ``sums``
        Written.

    Returns
    -------
    (int, int)
        Largest magnitude of a state or of its change, and of the sum of a unit's messages at any step.
    """
    steps, neurons, lanes = sums.shape
    kind = sums.dtype.type
    state, sent = np.empty(lanes, sums.dtype), np.empty(lanes, sums.dtype)
    known = np.empty(lanes, sums.dtype)
    low, high, least = np.zeros(lanes, sums.dtype), np.zeros(lanes, sums.dtype), kind(threshold)
    low_known, high_known = np.zeros(lanes, sums.dtype), np.zeros(lanes, sums.dtype)
    for n in range(neurons):
        state[:] = kind(bias[n])
        sent[:] = 0
        known[:] = 0
        for t in range(steps):
            row, out = sums[t, n], messages[t, n]
            for i in range(lanes):
                state[i] = kind(state[i] + row[i])
                activation = state[i]
                if rectified:
                    activation = max(activation, kind(0))
                change = kind(activation - sent[i])
                if abs(change) < least:
                    change = kind(0)
                sent[i] = kind(sent[i] + change)
                message = kind(change >> shift)
                out[i] = np.int32(message)
                known[i] = kind(known[i] + message)
                low[i] = min(low[i], min(state[i], change))
                high[i] = max(high[i], max(state[i], change))
                low_known[i] = min(low_known[i], known[i])
                high_known[i] = max(high_known[i], known[i])
    return largest_magnitude(low, high), largest_magnitude(low_known, high_known)


@compiled
def send_step(sums, bias, threshold, shift, rectified, limit, state, sent, messages):
    """One step of all units of one sample; the sums are set back to zero.

    Parameters
    ----------
    sums, bias : int64 arrays of shape (neurons,)
    threshold, shift : int
    rectified : bool
    limit : int
        What states and their changes must stay below in magnitude.
    state, sent : int64 arrays of shape (neurons,)
        Sums so far, and the activation that was sent last; changed.
    messages : int32 array of shape (neurons,)
        Written.

    Returns
    -------
    (int, int)
        The first unit whose state or change does not, or -1; and its change.
    """
    outside, reached = np.int64(-1), np.int64(0)
    for n in range(len(sums)):
        state[n] += sums[n]
        sums[n] = 0
        activation = state[n] + bias[n]
        beyond = abs(activation) >= limit
        if rectified:
            activation = max(activation, np.int64(0))
        change = activation - sent[n]
        if abs(change) < threshold:
            change = np.int64(0)
        if outside < 0 and (beyond or abs(change) >= limit):
            outside, reached = np.int64(n), change
        sent[n] += change
        messages[n] = np.int32(change >> shift)
    return outside, reached
