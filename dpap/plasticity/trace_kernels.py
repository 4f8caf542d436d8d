"""Traces and the postsynaptic factor of BCM as compiled kernels on one thread.

A training step gathers traces of a few thousand numbers between its large products. To wake torch's threads
for each of a dozen small operations takes longer than the operations; a kernel of one thread wakes none.
"""

import numba
import numpy as np

_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")

CHUNK = 2048
"""Traces that stay in the first-level cache through all steps."""


@_compiled
def add_weighted(activity, weights, trace):
    """Add the sum of ``weights[t] * activity[t]`` to ``trace``; shapes ``(T, M)``, ``(T,)`` and ``(M,)``."""
    for start in range(0, len(trace), CHUNK):
        stop = min(start + CHUNK, len(trace))
        chunk = trace[start:stop]
        for t in range(len(activity)):
            row, weight = activity[t, start:stop], weights[t]
            for i in range(len(chunk)):
                chunk[i] += weight * row[i]


@_compiled
def sum_positions(activity, sums):
    """Sums over the last axis of ``(M, P)`` activity into ``sums``, ``(M,)``."""
    for row in range(len(activity)):
        total = np.float32(0.0)
        for value in activity[row]:
            total += value
        sums[row] = total


@_compiled
def slide_and_drive(post, threshold, batches, drive, trace_sum):
    """Take a batch into the sliding threshold, and compute what it does to each neuron's synapses.

    Parameters
    ----------
    post : float32 array of shape (N, neurons)
        Postsynaptic traces.
    threshold : float32 array of shape (neurons,)
        Changed to the running mean over ``batches`` batches (eq. 8, 9).
    batches : int
        Batches seen, this one included.
    drive : float32 array of shape (N, neurons)
        ``S_post * (S_post - threshold)`` is written (eq. 7).
    trace_sum : float32 array of shape (neurons,)
        The traces are added.
    """
    samples, neurons = post.shape
    total = np.zeros(neurons, np.float32)
    for sample in range(samples):
        for n in range(neurons):
            total[n] += post[sample, n]
    for n in range(neurons):
        trace_sum[n] += total[n]
        threshold[n] += (total[n] / np.float32(samples) - threshold[n]) / np.float32(batches)
    for sample in range(samples):
        for n in range(neurons):
            drive[sample, n] = post[sample, n] * (post[sample, n] - threshold[n])
