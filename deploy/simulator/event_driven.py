"""Compiled kernels that work where a spike arrives: the cost follows the activity.

Samples run one after the other. A spike adds a row of weights, zeros included, to the sums of all targets
that share it: of a matrix one row of all neurons, of a convolution one row of all channels for each place of
the kernel. Rows are next to each other in memory and vectorise, whatever the number of samples; they are
padded to a multiple of :data:`ROW`, and padding has no weights and never fires.

Types are those of :mod:`deploy.simulator.kernels`; sums may wrap on their way, as there.
"""

import numpy as np

from deploy.ir.neurons.cuba_lif import charge
from deploy.ir.neurons.fixed_point import compiled, excess, inlined, integrate
from dpap.neurons.kernels import wrapped

ROW = 16
"""Rows of weights have a multiple of so many elements: 256 bits of 16-bit weights."""

LANES = 8
"""Lanes that are looked at together; a block has a multiple of it."""


@compiled
def count_arrivals(x, every):
    """Values other than zero in every so many steps of ``x``, ``(steps, sources, lanes)``."""
    count = 0
    for t in range(0, x.shape[0], every):
        for s in range(x.shape[1]):
            row = x[t, s]
            here = np.int32(0)
            for i in range(len(row)):
                here += np.int32(row[i] != 0)
            count += here
    return count


@compiled
def arrivals(x):
    """What arrives in each step of each lane.

    Parameters
    ----------
    x : unsigned array of shape (T or 1, sources, lanes)

    Returns
    -------
    starts : int64 array
        Where the arrivals at step t of a lane begin: element ``t * lanes + lane``.
    sources : int32 array
    values : array of the type of x
    """
    steps, rows, lanes = x.shape
    starts = np.zeros(steps * lanes + 1, np.int64)
    counts = np.zeros(lanes, np.int32)
    for t in range(steps):
        counts[:] = 0
        for s in range(rows):
            row = x[t, s]
            for i in range(lanes):
                counts[i] += np.int32(row[i] != 0)
        for i in range(lanes):
            starts[t * lanes + i + 1] = counts[i]
    for k in range(steps * lanes):
        starts[k + 1] += starts[k]
    sources, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], x.dtype)
    place = starts.copy()
    for t in range(steps):
        for s in range(rows):
            row = x[t, s]
            for i in range(0, lanes, LANES):
                some = row[i] | row[i + 1] | row[i + 2] | row[i + 3]
                if some | row[i + 4] | row[i + 5] | row[i + 6] | row[i + 7] == 0:
                    continue
                for lane in range(i, i + LANES):
                    if row[lane] != 0:
                        k = place[t * lanes + lane]
                        sources[k], values[k] = s, row[lane]
                        place[t * lanes + lane] = k + 1
    return starts, sources, values


@inlined
def _fire(sums, bias, u, v, neuron, fired, left):
    """One step of all neurons of one sample; see :mod:`deploy.simulator.kernels`.

    ``left`` becomes other than zero for neurons whose current is out of range.
    """
    keep_u, keep_v, fire = neuron
    if keep_u == 0.0:
        for n in range(len(sums)):
            current = np.int32(np.int32(sums[n]) << 6)
            left[n] |= excess(current)
            voltage = charge(v[n], current, keep_v, bias[n])
            above = voltage > fire
            fired[n] = np.uint8(1) if above else np.uint8(0)
            v[n] = np.int32(0) if above else voltage
    else:
        for n in range(len(sums)):
            current = integrate(u[n], sums[n], keep_u)
            left[n] |= excess(current)
            u[n] = wrapped(current)
            voltage = charge(v[n], current, keep_v, bias[n])
            above = voltage > fire
            fired[n] = np.uint8(1) if above else np.uint8(0)
            v[n] = np.int32(0) if above else voltage


@compiled
def run_matrix(x, rows, bias, neuron, sum_like, spikes):
    """Spikes of a layer with individual synapses.

    Parameters
    ----------
    x : unsigned array of shape (T or 1, sources, lanes)
    rows : int16 array of shape (sources, width)
        All weights of each source; ``width`` is the number of neurons, padded.
    bias : int32 array of shape (width,), in state units
    neuron, sum_like, spikes
        As in :func:`deploy.simulator.kernels.run_matrix`; so is what is returned.
    """
    kind, width, lanes = sum_like.dtype.type, rows.shape[1], x.shape[2]
    starts, sources, values = arrivals(x)
    sums, fired = np.zeros(width, sum_like.dtype), np.zeros(width, np.uint8)
    u, v, left = np.zeros(width, np.int32), np.zeros(width, np.int32), np.zeros(width, np.int32)
    words = fired.view(np.uint64)
    spikes[:] = 0
    for lane in range(lanes):
        u[:] = 0
        v[:] = 0
        for t in range(len(spikes)):
            if t < len(x):
                sums[:] = 0
                k, stop = starts[t * lanes + lane], starts[t * lanes + lane + 1]
                while k + 4 <= stop:
                    a, b, c, d = (
                        rows[sources[k]],
                        rows[sources[k + 1]],
                        rows[sources[k + 2]],
                        rows[sources[k + 3]],
                    )
                    xa, xb, xc, xd = (
                        kind(values[k]),
                        kind(values[k + 1]),
                        kind(values[k + 2]),
                        kind(values[k + 3]),
                    )
                    for n in range(width):
                        ab = kind(kind(xa * kind(a[n])) + kind(xb * kind(b[n])))
                        cd = kind(kind(xc * kind(c[n])) + kind(xd * kind(d[n])))
                        sums[n] = kind(sums[n] + kind(ab + cd))
                    k += 4
                while k < stop:
                    a, xa = rows[sources[k]], kind(values[k])
                    for n in range(width):
                        sums[n] = kind(sums[n] + kind(xa * kind(a[n])))
                    k += 1
            _fire(sums, bias, u, v, neuron, fired, left)
            for w in range(len(words)):
                if words[w] != 0:
                    for n in range(8 * w, 8 * w + 8):
                        if fired[n] != 0:
                            spikes[t, n, lane] = 1
    return left.any()


@compiled
def run_convolution(x, shape, indptr, places, rows, stride, extent, bias, neuron, sum_like, spikes):
    """Spikes of a convolution.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the source.
    indptr : int64 array of shape (source channels + 1,)
        Where the places of each source channel's kernels begin.
    places : int32 array of shape (n, 2)
        Row and column relative to ``stride`` times the target's position.
    rows : int16 array of shape (n, width)
        The weights of all channels at a place; ``width`` is the number of channels, padded.
    stride, extent : (int, int)
        Steps of the kernel; height and width of the output.
    bias : int32 array of shape (positions * width,), in state units

    Others, and what is returned, are those of :func:`run_matrix`.
    """
    kind, width, lanes = sum_like.dtype.type, rows.shape[1], x.shape[2]
    height, columns = shape
    positions = extent[0] * extent[1]
    to_row, lowest_row = _targets(places[:, 0], height, stride[0], extent[0])
    to_column, lowest_column = _targets(places[:, 1], columns, stride[1], extent[1])
    starts, sources, values = arrivals(x)
    sums, fired = np.zeros((positions, width), sum_like.dtype), np.zeros(positions * width, np.uint8)
    flat, words = sums.reshape(-1), fired.view(np.uint64)
    u, v = np.zeros(positions * width, np.int32), np.zeros(positions * width, np.int32)
    left = np.zeros(positions * width, np.int32)
    spikes[:] = 0
    for lane in range(lanes):
        u[:] = 0
        v[:] = 0
        for t in range(len(spikes)):
            if t < len(x):
                flat[:] = 0
                for k in range(starts[t * lanes + lane], starts[t * lanes + lane + 1]):
                    value = kind(values[k])
                    channel = sources[k] // (height * columns)
                    position = sources[k] - channel * height * columns
                    y = position // columns
                    z = position - y * columns
                    for p in range(indptr[channel], indptr[channel + 1]):
                        row = to_row[y - places[p, 0] - lowest_row]
                        column = to_column[z - places[p, 1] - lowest_column]
                        if row >= 0 and column >= 0:
                            target, weights = sums[row * extent[1] + column], rows[p]
                            for n in range(width):
                                target[n] = kind(target[n] + kind(value * kind(weights[n])))
            _fire(flat, bias, u, v, neuron, fired, left)
            for w in range(len(words)):
                if words[w] != 0:
                    for n in range(8 * w, 8 * w + 8):
                        if fired[n] != 0:
                            spikes[t, n % width * positions + n // width, lane] = 1
    return left.any()


@inlined
def _targets(offsets, sources, stride, targets):
    """Along one axis the target of each distance ``source - offset``, from the lowest; -1 for none."""
    lowest, highest = 0, 0
    if len(offsets) > 0:
        lowest, highest = -offsets.max(), sources - 1 - offsets.min()
    found = np.full(max(highest - lowest + 1, 1), -1, np.int32)
    for distance in range(max(lowest, 0), highest + 1):
        if distance % stride == 0 and distance // stride < targets:
            found[distance - lowest] = distance // stride
    return found, lowest
