r"""Leaky integrate-and-fire neurons.

.. math::
    u[t] &= \mathrm{wrap}(\mathrm{rtz}(u[t-1]\, (4096 - d_u) / 4096) + 64\, a[t]) \\
    v[t] &= \mathrm{clip}(\mathrm{rtz}(v[t-1] (1 - s[t-1])\, (4096 - d_v) / 4096) + u[t] + 64\, b) \\
    s[t] &= v[t] > 64\, \Theta

with rtz, wrap and clip of :mod:`dpap.neurons.reference`, a the synaptic sum, b the bias, :math:`\Theta` the
threshold mantissa, and d the integer decays of a graph.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.ir.neurons.fixed_point import (
    clipped,
    compiled,
    excess,
    inlined,
    integrate,
    kept,
    unwrapped,
    wrapped,
)
from deploy.ir.neurons.neuron import SpikingNeuron
from dpap.neurons.kernels import decayed
from dpap.neurons.kernels import wrapped as wrapped_in_kernel
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT, VOLTAGE_LIMIT

LOWEST = np.int32(-VOLTAGE_LIMIT)
"""Lowest voltage."""


@dataclass(frozen=True)
class CubaLIF(SpikingNeuron):
    """Integer parameters of a leaky integrate-and-fire population, as Lava and Loihi take them.

    Attributes
    ----------
    current_decay, voltage_decay : int
        Decays in 1/4096, 0 to 4096.
    threshold : int
        Threshold mantissa, 1 to 131071; a neuron fires where its voltage exceeds 64 times it.
    """

    kind = "lif"
    learned = "lif"
    fused = True
    update = "neuron_update"
    reference = True
    states = 2

    current_decay: int
    voltage_decay: int
    threshold: int

    @classmethod
    def of(cls, neuron: Any, integers: Any, unit: float) -> "CubaLIF":
        """The neurons of a block; see :meth:`Neuron.of`."""
        return cls(
            current_decay=DECAY_UNITY - neuron.current_keep,
            voltage_decay=DECAY_UNITY - neuron.voltage_keep,
            threshold=integers.threshold,
        )

    def fires_by_bias(self, bias: np.ndarray, steps: int) -> np.ndarray:
        """Which neurons fire within so many steps from rest without any input, bool."""
        return fires_by_bias(self, bias, steps)

    @property
    def step(self) -> Any:
        """The compiled kernel of one step; see :attr:`SpikingNeuron.step`."""
        return _step


def step(
    neuron: CubaLIF, current: np.ndarray, voltage: np.ndarray, sums: np.ndarray, bias: np.ndarray | int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step in NumPy.

    Parameters
    ----------
    neuron : CubaLIF
    current, voltage : int64 arrays
        States; the voltage after the reset.
    sums, bias : integer arrays
        Synaptic sums and biases, in units of the threshold mantissa.

    Returns
    -------
    current, voltage : int64 arrays
        After the step and its reset.
    spikes : bool array
    """
    current = wrapped(unwrapped(current, sums, neuron.current_decay))
    drive = current + (np.asarray(bias, np.int64) << STATE_SHIFT)
    voltage = clipped(kept(voltage, neuron.voltage_decay) + drive)
    spikes = voltage > neuron.threshold << STATE_SHIFT
    return current, np.where(spikes, 0, voltage), spikes


def fires_by_bias(neuron: CubaLIF, bias: np.ndarray, steps: int) -> np.ndarray:
    """Which neurons fire within so many steps from rest without any input, bool."""
    fires = np.zeros(len(bias), bool)
    current, voltage = np.zeros((2, len(bias)), np.int64)
    for _ in range(steps):
        current, voltage, spikes = step(neuron, current, voltage, np.zeros_like(current), bias)
        fires |= spikes
    return fires


@inlined
def charge(before, current, keep_v, bias):
    """A voltage after one step, for a current that has not been wrapped yet.

    A positive voltage needs no clipping: it fires first, and is reset.
    """
    return max(np.int32(decayed(before, keep_v) + wrapped_in_kernel(current) + bias), LOWEST)


@compiled
def _step(sums, bias, constants, states, spikes, left):
    keep_u, keep_v, threshold = constants
    u, v = states
    some = np.int32(0)
    for n in range(len(sums)):
        current = integrate(u[n], sums[n], keep_u)
        outside = excess(current)
        left[n] = current if outside != 0 else np.int32(0)
        some |= outside
        u[n] = wrapped_in_kernel(current)
        voltage = charge(v[n], current, keep_v, bias[n])
        fired = voltage > threshold
        spikes[n] = np.uint8(1) if fired else np.uint8(0)
        v[n] = np.int32(0) if fired else voltage
        sums[n] = 0
    return some != 0
