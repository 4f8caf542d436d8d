r"""Steps of leaky integrate-and-fire neurons in NumPy: for looking at a few neurons, not for simulation.

.. math::
    u[t] &= \mathrm{wrap}(\mathrm{rtz}(u[t-1]\, (4096 - d_u) / 4096) + 64\, a[t]) \\
    v[t] &= \mathrm{clip}(\mathrm{rtz}(v[t-1] (1 - s[t-1])\, (4096 - d_v) / 4096) + u[t] + 64\, b) \\
    s[t] &= v[t] > 64\, \Theta

with rtz, wrap and clip of :mod:`dpap.neurons.reference`, a the synaptic sum, b the bias, :math:`\Theta` the
threshold mantissa, and d the integer decays of a graph. States are int64.
"""

import numpy as np

from deploy.ir import Neuron
from dpap.neurons.parameters import DECAY_BITS, DECAY_UNITY, STATE_LIMIT, STATE_SHIFT, VOLTAGE_LIMIT


def kept(state: np.ndarray, decay: int) -> np.ndarray:
    """What a step leaves of an int64 state, rounded toward zero."""
    return np.sign(state) * (np.abs(state) * (DECAY_UNITY - decay) >> DECAY_BITS)


def unwrapped(current: np.ndarray, sums: np.ndarray, decay: int) -> np.ndarray:
    """Currents after a step, before they are wrapped to 24 bits; ``sums`` are synaptic sums."""
    return kept(current, decay) + (sums.astype(np.int64) << STATE_SHIFT)


def wrapped(current: np.ndarray) -> np.ndarray:
    """Currents of more than 24 bits as Lava wraps them: to 32 bits, and by 2**24 once."""
    current = current.astype(np.int32).astype(np.int64)
    wraps = (current > STATE_LIMIT).astype(np.int64) - (current <= -STATE_LIMIT)
    return current - wraps * 2 * STATE_LIMIT


def clipped(voltage: np.ndarray) -> np.ndarray:
    """Voltages within 24 bits, as Lava clips them."""
    return np.clip(voltage, -VOLTAGE_LIMIT, VOLTAGE_LIMIT)


def step(
    neuron: Neuron, current: np.ndarray, voltage: np.ndarray, sums: np.ndarray, bias: np.ndarray | int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step.

    Parameters
    ----------
    neuron : Neuron
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


def fires_by_bias(neuron: Neuron, bias: np.ndarray, steps: int) -> np.ndarray:
    """Which neurons fire within so many steps from rest without any input, bool."""
    fires = np.zeros(len(bias), bool)
    current, voltage = np.zeros((2, len(bias)), np.int64)
    for _ in range(steps):
        current, voltage, spikes = step(neuron, current, voltage, np.zeros_like(current), bias)
        fires |= spikes
    return fires
