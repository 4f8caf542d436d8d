"""Compiled kernels of the streaming simulator: one sample, one step, and work only where a spike arrives."""

from deploy.ir.neurons.fixed_point import compiled


@compiled
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


@compiled
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
