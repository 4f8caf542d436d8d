"""Compiled kernels of the fast simulator, which work on many samples side by side.

Activity is ``(T, neurons, lanes)``: the lanes are samples, next to each other in memory, so that one synapse
is one weight times a row of lanes, added to another row. That vectorises whatever the sparsity, loads each
weight once for all lanes, and needs no arithmetic wider than the sums: 16 bits where compilation bounds them
below 2**15, 32 bits elsewhere. Sums may wrap on their way and come back, so only the last one counts.

Currents wrap and voltages clip as Lava's do (:mod:`dpap.neurons.reference`); every kernel says whether a
current left its 24 bits. A positive voltage needs no clipping here: it fires first, and is reset.

A neuron runs through all steps before the next one begins, its states in the first-level cache. An activity
of a single step, ``(1, neurons, lanes)``, is the same at every step, and its sums are computed once.

Kernels hold no lock and start no threads: the simulator runs one block of lanes in each of its threads.
"""

import numpy as np

from deploy.ir.neurons.cuba_lif import charge
from deploy.ir.neurons.fixed_point import compiled, excess, inlined, integrate
from dpap.neurons.kernels import wrapped


@inlined
def _add_rows(total, x, sources, weights, start, stop):
    """Add ``weights[k] * x[sources[k]]`` for k from start to stop, four at a time."""
    kind = total.dtype.type
    k = start
    while k + 4 <= stop:
        a, b, c, d = x[sources[k]], x[sources[k + 1]], x[sources[k + 2]], x[sources[k + 3]]
        wa, wb, wc, wd = kind(weights[k]), kind(weights[k + 1]), kind(weights[k + 2]), kind(weights[k + 3])
        for i in range(len(total)):
            ab = kind(kind(wa * kind(a[i])) + kind(wb * kind(b[i])))
            cd = kind(kind(wc * kind(c[i])) + kind(wd * kind(d[i])))
            total[i] = kind(total[i] + kind(ab + cd))
        k += 4
    while k < stop:
        a, wa = x[sources[k]], kind(weights[k])
        for i in range(len(total)):
            total[i] = kind(total[i] + kind(wa * kind(a[i])))
        k += 1


@inlined
def _fire(total, bias, u, v, keep_u, keep_v, fire, spikes, left):
    """One step of one neuron in all lanes; ``bias`` and ``fire`` in state units, keeps as fractions.

    ``left`` becomes other than zero in lanes where the current is out of range.
    """
    if keep_u == 0.0:
        for i in range(len(total)):
            current = np.int32(np.int32(total[i]) << 6)
            left[i] |= excess(current)
            voltage = charge(v[i], current, keep_v, bias)
            fired = voltage > fire
            spikes[i] = np.uint8(1) if fired else np.uint8(0)
            v[i] = np.int32(0) if fired else voltage
    else:
        for i in range(len(total)):
            current = integrate(u[i], total[i], keep_u)
            left[i] |= excess(current)
            u[i] = wrapped(current)
            voltage = charge(v[i], current, keep_v, bias)
            fired = voltage > fire
            spikes[i] = np.uint8(1) if fired else np.uint8(0)
            v[i] = np.int32(0) if fired else voltage


@inlined
def _over_time(x, sources, weights, start, stop, total, bias, u, v, neuron, spikes, place, left):
    """All steps of one neuron."""
    keep_u, keep_v, fire = neuron
    u[:] = 0
    v[:] = 0
    for t in range(len(spikes)):
        if t < len(x):
            total[:] = 0
            _add_rows(total, x[t], sources, weights, start, stop)
        _fire(total, bias, u, v, keep_u, keep_v, fire, spikes[t, place], left)


@inlined
def _valid_taps(taps, first, last, position, stride, shape, sources, weights):
    """Sources and weights of the taps of a kernel that are inside the image at one position; their number."""
    height, width = shape
    count = 0
    for k in range(first, last):
        row, column = position[0] * stride[0] + taps[k, 1], position[1] * stride[1] + taps[k, 2]
        if 0 <= row < height and 0 <= column < width:
            sources[count] = (taps[k, 0] * height + row) * width + column
            weights[count] = taps[k, 3]
            count += 1
    return count


@compiled
def run_matrix(x, indptr, sources, weights, bias, neuron, sum_like, spikes):
    """Spikes of a layer with individual synapses.

    Parameters
    ----------
    x : unsigned array of shape (T or 1, sources, lanes)
    indptr, sources, weights : arrays
        The synapses of each neuron, in compressed sparse rows.
    bias : int32 array of shape (neurons,), in state units
    neuron : (float, float, int32)
        The fractions that current and voltage keep, and the threshold in state units.
    sum_like : array
        Its type is that of the sums.
    spikes : uint8 array of shape (T, neurons, lanes)
        Written.

    Returns
    -------
    bool
        Whether a current left its 24 bits.
    """
    lanes = x.shape[2]
    total, left = np.zeros(lanes, sum_like.dtype), np.zeros(lanes, np.int32)
    u, v = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)
    for n in range(spikes.shape[1]):
        first, last = indptr[n], indptr[n + 1]
        _over_time(x, sources, weights, first, last, total, bias[n], u, v, neuron, spikes, n, left)
    return left.any()


@compiled
def run_convolution(x, shape, indptr, taps, stride, extent, bias, neuron, sum_like, spikes):
    """Spikes of a convolution.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the source.
    indptr : array of shape (channels + 1,)
        Where the taps of each channel's kernels begin.
    taps : int32 array of shape (n, 4)
        Source channel, row and column relative to ``stride`` times the position, weight.
    stride, extent : (int, int)
        Steps of the kernel; height and width of the output.

    Others, and what is returned, are those of :func:`run_matrix`.
    """
    lanes = x.shape[2]
    rows, columns = extent
    total, left = np.zeros(lanes, sum_like.dtype), np.zeros(lanes, np.int32)
    u, v = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)
    sources, weights = np.empty(len(taps), np.int32), np.empty(len(taps), np.int16)
    # Rows outermost: neighbouring channels have the same sources, which then are still in the cache.
    for y in range(rows):
        for c in range(len(indptr) - 1):
            for column in range(columns):
                at = y, column
                count = _valid_taps(taps, indptr[c], indptr[c + 1], at, stride, shape, sources, weights)
                n = (c * rows + y) * columns + column
                _over_time(x, sources, weights, 0, count, total, bias[n], u, v, neuron, spikes, n, left)
    return left.any()


@compiled
def add_matrix(x, indptr, sources, weights, sums):
    """Add the sums of individual synapses to ``sums``, int32 ``(T or 1, neurons, lanes)``."""
    for t in range(len(sums)):
        for n in range(sums.shape[1]):
            _add_rows(sums[t, n], x[t if t < len(x) else 0], sources, weights, indptr[n], indptr[n + 1])


@compiled
def add_convolution(x, shape, indptr, taps, stride, extent, sums):
    """The same for a convolution."""
    rows, columns = extent
    sources, weights = np.empty(len(taps), np.int32), np.empty(len(taps), np.int16)
    for c in range(len(indptr) - 1):
        for y in range(rows):
            for column in range(columns):
                at = y, column
                count = _valid_taps(taps, indptr[c], indptr[c + 1], at, stride, shape, sources, weights)
                n = (c * rows + y) * columns + column
                for t in range(len(sums)):
                    _add_rows(sums[t, n], x[t if t < len(x) else 0], sources, weights, 0, count)


@compiled
def run_sums(sums, indptr, sources, weights, bias, neuron, spikes):
    """Spikes of neurons whose sums are known, and that are connected to each other.

    Parameters
    ----------
    sums : int32 array of shape (T or 1, neurons, lanes)
    indptr, sources, weights : arrays
        Recurrent synapses, in compressed sparse rows; none for a layer that is not recurrent.

    Others, and what is returned, are those of :func:`run_matrix`.
    """
    keep_u, keep_v, fire = neuron
    steps, neurons, lanes = spikes.shape
    total, left = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)
    u, v = np.zeros((neurons, lanes), np.int32), np.zeros((neurons, lanes), np.int32)
    for t in range(steps):
        for n in range(neurons):
            total[:] = sums[t if t < len(sums) else 0, n]
            if t > 0:
                _add_rows(total, spikes[t - 1], sources, weights, indptr[n], indptr[n + 1])
            _fire(total, bias[n], u[n], v[n], keep_u, keep_v, fire, spikes[t, n], left)
    return left.any()


@compiled
def sum_windows(x, shape, window, sums):
    """Sums over windows of the planes of a source into ``sums``, ``(T or 1, pooled, lanes)``.

    ``shape`` is that of the source, ``(C, H, W)``.
    """
    channels, height, width = shape
    rows, columns = height // window, width // window
    kind = sums.dtype.type
    for t in range(len(x)):
        for c in range(channels):
            for y in range(rows):
                for column in range(columns):
                    total = sums[t, (c * rows + y) * columns + column]
                    first = (c * height + y * window) * width + column * window
                    total[:] = x[t, first]
                    for k in range(1, window * window):
                        row = x[t, first + k // window * width + k % window]
                        for i in range(len(total)):
                            total[i] = kind(total[i] + kind(row[i]))


_GATHER_BITS = np.uint64(0x0102040810204080)
"""Times eight bytes of 0 or 1 it has the lowest bit of each, the first lowest, in its highest byte."""


@compiled
def pack_spikes(words, packed, block):
    """Write a bit a spike.

    Parameters
    ----------
    words : uint64 array of shape (T, neurons, lanes / 8)
        Spikes of a byte each, eight lanes a word, in the order of memory (little-endian).
    packed : uint8 array of shape (T, neurons, blocks, lanes / 8)
    block : int
        Where to write.
    """
    for t in range(words.shape[0]):
        for n in range(words.shape[1]):
            source, target = words[t, n], packed[t, n, block]
            for i in range(len(source)):
                target[i] = np.uint8((source[i] * _GATHER_BITS) >> np.uint64(56))
