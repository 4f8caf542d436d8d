"""Compiled kernels with all weights, zeros included: four neurons share the rows that they read.

Activity, types and states are those of :mod:`deploy.simulator.kernels`. A row of lanes is loaded once for
four neurons, and no index says which; a zero is multiplied like any other weight.
"""

import numpy as np

from deploy.ir.neurons.fixed_point import compiled, inlined
from deploy.simulator.kernels import _fire

GROUP = 4
"""Neurons that share the rows; weights are padded to a multiple with rows of zeros."""


@inlined
def _add_to_group(totals, x, sources, places, count, weights, first):
    """Add ``weights[first + j, places[k]] * x[sources[k]]`` to ``totals[j]`` for all k, two at a time."""
    kind = totals.dtype.type
    e, f, g, h = totals[0], totals[1], totals[2], totals[3]
    we, wf, wg, wh = weights[first], weights[first + 1], weights[first + 2], weights[first + 3]
    for k in range(0, count - 1, 2):
        a, b, p, q = x[sources[k]], x[sources[k + 1]], places[k], places[k + 1]
        ea, eb, fa, fb = kind(we[p]), kind(we[q]), kind(wf[p]), kind(wf[q])
        ga, gb, ha, hb = kind(wg[p]), kind(wg[q]), kind(wh[p]), kind(wh[q])
        for i in range(len(a)):
            xa, xb = kind(a[i]), kind(b[i])
            e[i] = kind(e[i] + kind(kind(ea * xa) + kind(eb * xb)))
            f[i] = kind(f[i] + kind(kind(fa * xa) + kind(fb * xb)))
            g[i] = kind(g[i] + kind(kind(ga * xa) + kind(gb * xb)))
            h[i] = kind(h[i] + kind(kind(ha * xa) + kind(hb * xb)))
    if count % 2 == 1:
        a, p = x[sources[count - 1]], places[count - 1]
        ea, fa, ga, ha = kind(we[p]), kind(wf[p]), kind(wg[p]), kind(wh[p])
        for i in range(len(a)):
            xa = kind(a[i])
            e[i] = kind(e[i] + kind(ea * xa))
            f[i] = kind(f[i] + kind(fa * xa))
            g[i] = kind(g[i] + kind(ga * xa))
            h[i] = kind(h[i] + kind(ha * xa))


@inlined
def _group_over_time(
    x, sources, places, count, weights, first, totals, bias, u, v, neuron, spikes, at, stride, left
):
    """All steps of a group of neurons; neuron ``first + j`` of the weights is ``at + j * stride``."""
    keep_u, keep_v, fire = neuron
    members = min(GROUP, (spikes.shape[1] - at + stride - 1) // stride)
    u[:] = 0
    v[:] = 0
    for t in range(len(spikes)):
        if t < len(x):
            totals[:] = 0
            _add_to_group(totals, x[t], sources, places, count, weights, first)
        for j in range(members):
            n = at + j * stride
            _fire(totals[j], bias[n], u[j], v[j], keep_u, keep_v, fire, spikes[t, n], left)


@compiled
def run_matrix(x, sources, weights, bias, neuron, sum_like, spikes):
    """Spikes of a layer with individual synapses.

    Parameters
    ----------
    x : unsigned array of shape (T or 1, sources, lanes)
    sources : int32 array of shape (n,)
        The sources that any neuron has a synapse from.
    weights : int16 array of shape (neurons, n), the neurons padded
    bias, neuron, sum_like, spikes
        As in :func:`deploy.simulator.kernels.run_matrix`; so is what is returned.
    """
    lanes = x.shape[2]
    totals = np.zeros((GROUP, lanes), sum_like.dtype)
    u, v = np.zeros((GROUP, lanes), np.int32), np.zeros((GROUP, lanes), np.int32)
    left = np.zeros(lanes, np.int32)
    places = np.arange(len(sources))
    for n in range(0, spikes.shape[1], GROUP):
        _group_over_time(
            x, sources, places, len(sources), weights, n, totals, bias, u, v, neuron, spikes, n, 1, left
        )
    return left.any()


@compiled
def run_convolution(x, shape, places, weights, stride, extent, bias, neuron, sum_like, spikes):
    """Spikes of a convolution.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the source.
    places : int32 array of shape (n, 3)
        Source channel, row and column relative to ``stride`` times the position.
    weights : int16 array of shape (channels, n), the channels padded
        Of each output channel at each place.
    stride, extent : (int, int)
        Steps of the kernel; height and width of the output.

    Others, and what is returned, are those of :func:`run_matrix`.
    """
    lanes = x.shape[2]
    height, width = shape
    rows, columns = extent
    positions = rows * columns
    totals = np.zeros((GROUP, lanes), sum_like.dtype)
    u, v = np.zeros((GROUP, lanes), np.int32), np.zeros((GROUP, lanes), np.int32)
    left = np.zeros(lanes, np.int32)
    sources, inside = np.empty(len(places), np.int32), np.empty(len(places), np.int64)
    for position in range(positions):
        y, z = position // columns * stride[0], position % columns * stride[1]
        count = 0
        for k in range(len(places)):
            row, column = y + places[k, 1], z + places[k, 2]
            if 0 <= row < height and 0 <= column < width:
                sources[count] = (places[k, 0] * height + row) * width + column
                inside[count] = k
                count += 1
        for c in range(0, spikes.shape[1] // positions, GROUP):
            at = c * positions + position
            _group_over_time(
                x, sources, inside, count, weights, c, totals, bias, u, v, neuron, spikes, at, positions, left
            )
    return left.any()
