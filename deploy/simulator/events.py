"""Compiled kernels of the streaming simulator: one sample, one step, and work only where a spike arrives."""

import numba
import numpy as np

from deploy.simulator.kernels import charge, excess, integrate
from dpap.neurons.kernels import wrapped

_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@_compiled
def scatter_matrix(activity, indptr, targets, weights, sums):
    """Add what active sources send through individual synapses to ``sums``.

    Parameters
    ----------
    activity : integer array of shape (sources,)
    indptr, targets, weights : arrays
        The synapses of each source, in compressed sparse columns.
    sums : int32 or int64 array of shape (neurons,)
    """
    kind = sums.dtype.type
    for source in range(len(activity)):
        value = kind(activity[source])
        if value != 0:
            for k in range(indptr[source], indptr[source + 1]):
                sums[targets[k]] += value * kind(weights[k])


@_compiled
def scatter_convolution(activity, shape, indptr, taps, stride, extent, sums):
    """The same through kernels.

    Parameters
    ----------
    activity : integer array of shape (C * H * W,)
    shape : (int, int)
        Height and width of the source.
    indptr : array of shape (C + 1,)
        Where the taps from each source channel begin.
    taps : int32 array of shape (n, 4)
        Target channel, row and column relative to ``stride`` times the target's position, weight.
    stride, extent : (int, int)
        Steps of the kernel; height and width of the targets.
    """
    kind = sums.dtype.type
    height, width = shape
    rows, columns = extent
    for source in range(len(activity)):
        value = kind(activity[source])
        if value == 0:
            continue
        channel, position = source // (height * width), source % (height * width)
        y, x = position // width, position % width
        for k in range(indptr[channel], indptr[channel + 1]):
            from_row, from_column = y - taps[k, 1], x - taps[k, 2]
            if from_row < 0 or from_column < 0:
                continue
            if from_row % stride[0] or from_column % stride[1]:
                continue
            row, column = from_row // stride[0], from_column // stride[1]
            if row < rows and column < columns:
                sums[(taps[k, 0] * rows + row) * columns + column] += value * kind(taps[k, 3])


@_compiled
def fire(sums, bias, neuron, u, v, spikes, left):
    """One step of all neurons; the sums are set back to zero.

    Parameters
    ----------
    sums, bias : int32 arrays of shape (neurons,)
        The bias in state units.
    neuron : (float, float, int32)
        The fractions that current and voltage keep, and the threshold in state units.
    u, v : int32 arrays of shape (neurons,)
        States, changed.
    spikes : uint8 array of shape (neurons,)
        Written.
    left : int32 array of shape (neurons,)
        Written: currents that left their 24 bits, before they are wrapped; zero elsewhere.

    Returns
    -------
    bool
        Whether any did.
    """
    keep_u, keep_v, threshold = neuron
    some = np.int32(0)
    for n in range(len(sums)):
        current = integrate(u[n], sums[n], keep_u)
        outside = excess(current)
        left[n] = current if outside != 0 else np.int32(0)
        some |= outside
        u[n] = wrapped(current)
        voltage = charge(v[n], current, keep_v, bias[n])
        fired = voltage > threshold
        spikes[n] = np.uint8(1) if fired else np.uint8(0)
        v[n] = np.int32(0) if fired else voltage
        sums[n] = 0
    return some != 0
