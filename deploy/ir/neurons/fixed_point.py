"""Lava's fixed-point arithmetic of states: in NumPy, for looking at few neurons, and for compiled kernels.

States have 24 bits and decays 12 (:mod:`dpap.neurons.reference`). Arrays of NumPy's are int64; kernels take
int32.
"""

import numba
import numpy as np

from dpap.neurons.kernels import decayed
from dpap.neurons.parameters import DECAY_BITS, DECAY_UNITY, STATE_LIMIT, STATE_SHIFT, VOLTAGE_LIMIT

BITS = np.int32(STATE_LIMIT.bit_length() - 1)
"""Binary digits of the magnitude of a current."""

compiled = numba.njit(nogil=True, cache=True, error_model="numpy")
inlined = numba.njit(inline="always", error_model="numpy")


def fraction_kept(decay: int) -> float:
    """The fraction of a state that a step leaves, for a decay in 1/4096; exact."""
    return 1.0 - decay / DECAY_UNITY


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


@inlined
def integrate(before, total, keep):
    """A current after one step, not wrapped yet; ``total`` is its synaptic sum, ``keep`` a fraction."""
    return np.int32(decayed(before, keep) + np.int32(np.int32(total) << 6))


@inlined
def excess(current):
    """Other than zero where a current is out of range: 2**23 in magnitude, or more."""
    return np.abs(current) >> BITS


@compiled
def largest_magnitude(low, high):
    """The larger magnitude of the least and the greatest of some values, which reach to zero."""
    return max(np.int64(high.max()), -np.int64(low.min()))
