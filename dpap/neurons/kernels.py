"""The neuron of :mod:`dpap.neurons.reference` as compiled kernels: one pass over memory for all time steps.

Arrays are time-major, ``(T, M)`` with the M neurons of a batch side by side. A block of neurons keeps its
states in a small buffer through all steps, so that only inputs and outputs travel through memory; the
inner loops run over neighbouring neurons in 32-bit integers and vectorise.
"""

import numba
import numpy as np

from dpap.neurons.surrogate import derivative

BLOCK = 512
"""Neurons a block: its buffers (a few kB) stay in the first-level cache."""

_LOW = 4095


@numba.njit(inline="always")
def decay32(state, keep):
    """``rtz(state * keep / 4096)`` in 32-bit arithmetic, exact for ``|state| < 2**31`` and keep <= 4096.

    The magnitude is split as ``4096 * high + low``; then ``high * keep`` is whole and ``low * keep`` has
    less than 24 bits, so no product leaves 32 bits while the state is below 2**31 (``high < 2**19``,
    ``keep <= 2**12``).
    """
    magnitude = abs(state)
    kept = (magnitude >> 12) * keep + (((magnitude & _LOW) * keep) >> 12)
    return kept if state >= 0 else -kept


@numba.njit(parallel=True, cache=True)
def lif_forward(current, current_keep, voltage_keep, threshold, spikes, voltage):
    """Forward pass into ``spikes`` and ``voltage`` (before reset), all float32 of shape (T, M).

    ``threshold`` is in state units (mantissa times 64).
    """
    steps, neurons = current.shape
    keep_u = np.int32(current_keep)
    keep_v = np.int32(voltage_keep)
    fire = np.int32(threshold)
    for block in numba.prange((neurons + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        size = min(BLOCK, neurons - start)
        u = np.zeros(BLOCK, np.int32)
        v = np.zeros(BLOCK, np.int32)
        for t in range(steps):
            inputs = current[t, start : start + size]
            fired = spikes[t, start : start + size]
            membrane = voltage[t, start : start + size]
            for i in range(size):
                u[i] = np.int32(decay32(u[i], keep_u) + np.int32(np.int32(inputs[i]) << 6))
                potential = np.int32(decay32(v[i], keep_v) + u[i])
                spike = potential > fire
                membrane[i] = np.float32(potential)
                fired[i] = np.float32(1.0) if spike else np.float32(0.0)
                v[i] = np.int32(0) if spike else potential


@numba.njit(parallel=True, cache=True)
def lif_backward(
    grad_spikes,
    voltage,
    unit,
    current_keep,
    voltage_keep,
    threshold,
    width,
    kind,
    gain,
    grad_current,
):
    """Gradient with respect to the synaptic sums into ``grad_current``, all float32 of shape (T, M).

    ``unit`` turns the integer voltages into real ones; ``gain`` multiplies the result. The equations are
    those of :func:`dpap.neurons.reference.backward`.
    """
    steps, neurons = grad_spikes.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    keep_u, keep_v = np.float32(current_keep), np.float32(voltage_keep)
    level, spread = np.float32(threshold), np.float32(width)
    scale, factor = np.float32(unit), np.float32(gain)
    for block in numba.prange((neurons + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        size = min(BLOCK, neurons - start)
        grad_v = np.zeros(BLOCK, np.float32)
        grad_u = np.zeros(BLOCK, np.float32)
        for step in range(steps):
            t = steps - 1 - step
            incoming = grad_spikes[t, start : start + size]
            membrane = voltage[t, start : start + size]
            outgoing = grad_current[t, start : start + size]
            for i in range(size):
                potential = membrane[i] * scale
                slope = np.float32(derivative(potential - level, spread, kind))
                silent = one if potential <= level else zero
                carried = keep_v * grad_v[i]
                grad_v[i] = (incoming[i] - carried * potential) * slope + carried * silent
                grad_u[i] = grad_v[i] + keep_u * grad_u[i]
                outgoing[i] = grad_u[i] * factor
