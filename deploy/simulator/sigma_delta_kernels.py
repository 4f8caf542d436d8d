"""Compiled kernels of sigma-delta units in the fast simulator: many samples side by side, all steps at once.

As in :mod:`deploy.simulator.kernels` activity is ``(T, neurons, lanes)``, the lanes being samples. Sums are
of 32 bits where they are known to fit, else of 64; on their way they may wrap and come back.
"""

import numba
import numpy as np

_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@_compiled
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
    return _largest(low, high), _largest(low_known, high_known)


@_compiled
def send_maxima(arriving, indptr, sources, messages):
    """Messages of units that send changes of a maximum.

    Parameters
    ----------
    arriving : int32 array of shape (T, sources, lanes)
    indptr, sources : arrays
        The sources of each unit, in compressed sparse rows.
    messages : int32 array of shape (T, units, lanes)
        Written.

    Returns
    -------
    int
        Largest magnitude of the sum of a unit's messages at any step.
    """
    steps, count, lanes = arriving.shape
    known = np.zeros((count, lanes), np.int32)
    units = messages.shape[1]
    best = np.zeros((units, lanes), np.int32)
    low, high = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)
    for t in range(steps):
        for k in range(count):
            for i in range(lanes):
                known[k, i] += arriving[t, k, i]
        for n in range(units):
            if indptr[n] == indptr[n + 1]:
                messages[t, n] = 0
                continue
            out, before = messages[t, n], best[n]
            out[:] = known[sources[indptr[n]]]
            for k in range(indptr[n] + 1, indptr[n + 1]):
                row = known[sources[k]]
                for i in range(lanes):
                    out[i] = max(out[i], row[i])
            for i in range(lanes):
                largest = out[i]
                low[i], high[i] = min(low[i], largest), max(high[i], largest)
                out[i] = largest - before[i]
                before[i] = largest
    return _largest(low, high)


@_compiled
def _largest(low, high):
    return max(np.int64(high.max()), -np.int64(low.min()))


@_compiled
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
