"""What arrives at a layer's neurons: sums over its synapses, exact in float32.

Compilation proves that no sum of a graph leaves 24 bits, so whole numbers in float32 lose nothing.
"""

from dataclasses import replace

import numpy as np
import torch

from deploy.graph import Connection, ConvConnection, Layer
from deploy.graph.connection import Shape, pooled_shape


def dense_weight(connection: Connection) -> np.ndarray:
    """All weights with their zeros, int16: ``(outputs, inputs, height, width)`` or ``(targets, sources)``."""
    return (
        connection.dense_weight() if isinstance(connection, ConvConnection) else connection.matrix.toarray()
    )


def synaptic_sums(connection: Connection, weight: torch.Tensor, activity: torch.Tensor) -> torch.Tensor:
    """Sums over the synapses of a connection, its pool included.

    Parameters
    ----------
    connection : Connection
    weight : float32 Tensor
        In the shape of :func:`dense_weight`.
    activity : float32 Tensor of shape (B, *source shape)

    Returns
    -------
    Tensor of shape (B, *kept shape of the targets)
    """
    if connection.pool > 1:
        activity = torch.nn.functional.avg_pool2d(activity, connection.pool, divisor_override=1)
    if isinstance(connection, ConvConnection):
        return torch.nn.functional.conv2d(activity, weight, padding=connection.padding)
    return torch.nn.functional.linear(activity.flatten(1), weight)


@torch.inference_mode()
def reached(layer: Layer, arriving: np.ndarray) -> np.ndarray:
    """Whether at least one spike reaches each neuron at each step, bool ``(samples, steps, neurons)``.

    Parameters
    ----------
    layer : Layer
    arriving : array of shape (samples, steps, *source shape)
        Activity of its source.
    """
    present = torch.from_numpy((dense_weight(layer.connection) != 0).astype(np.float32))
    events = torch.from_numpy((arriving > 0).astype(np.float32)).flatten(0, 1)
    arrived = synaptic_sums(layer.connection, present, events)
    # Counts are whole: anything at all is at least 1.
    return (arrived > 0.5).numpy().reshape(*arriving.shape[:2], -1)


def fan_out(connection: Connection, source: Shape) -> np.ndarray:
    """Synapses of each source neuron with a weight other than zero, exact at the borders of a convolution.

    Parameters
    ----------
    connection : Connection
    source : tuple of int
        Shape of the source before pooling.

    Returns
    -------
    int64 array of the source's shape, flattened
    """
    pool, pooled = connection.pool, pooled_shape(source, connection.pool)
    if isinstance(connection, ConvConnection):
        present = (connection.dense_weight() != 0).sum(axis=0)
        counts = np.zeros(pooled, np.int64)
        for ky, kx in np.ndindex(present.shape[1:]):
            _, sources = overlap(connection, pooled, (ky, kx))
            counts[(slice(None), *sources)] += present[:, ky, kx, None, None]
    else:
        counts = np.asarray(connection.matrix.getnnz(axis=0), np.int64).reshape(pooled)
    if pool == 1:
        return counts.ravel()
    full = np.zeros(source, np.int64)
    spread = counts.repeat(pool, axis=1).repeat(pool, axis=2)
    full[:, : spread.shape[1], : spread.shape[2]] = spread
    return full.ravel()


def overlap(
    connection: ConvConnection, source: Shape, place: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Positions that one place of a convolution's kernel connects.

    Parameters
    ----------
    connection : ConvConnection
    source : tuple of int
        Shape of the source after pooling.
    place : tuple of two int
        Row and column in the kernel.

    Returns
    -------
    tuple of two pairs of slices
        Rows and columns of the targets, and those of their sources.
    """
    _, *extents = replace(connection, pool=1).output_shape(source)
    targets, sources = [], []
    for offset, extent, size in zip(place, extents, source[1:], strict=True):
        shift = offset - connection.padding
        start = max(0, -shift)
        stop = max(start, min(extent, size - shift))
        targets.append(slice(start, stop))
        sources.append(slice(start + shift, stop + shift))
    return tuple(targets), tuple(sources)
