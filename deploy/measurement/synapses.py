"""Synaptic sums of a layer's neurons, exact in float32.

No sum of a valid graph reaches 2**25, and weights are even, so float32 holds every partial sum.
"""

from typing import TYPE_CHECKING

import numpy as np

from deploy.ir import Connection, ConvConnection, Layer
from deploy.ir.geometry import Shape, over_windows, pooled_shape

if TYPE_CHECKING:
    import torch


def dense_weight(connection: Connection) -> np.ndarray:
    """All weights with their zeros, int16.

    Returns
    -------
    array of shape (outputs, inputs, height, width) or (targets, sources)
        Of a depthwise convolution the kernels alone, ``(channels, 1, height, width)``.
    """
    if not isinstance(connection, ConvConnection):
        return connection.matrix.toarray()
    return connection.kernels[:, None] if connection.depthwise else connection.dense_weight()


def synaptic_sums(connection: Connection, weight: "torch.Tensor", activity: "torch.Tensor") -> "torch.Tensor":
    """Sums over the synapses of a connection, its pool included.

    Parameters
    ----------
    connection : Connection
    weight : float32 Tensor
        In the shape of :func:`dense_weight`.
    activity : float32 Tensor of shape (B, *source shape)

    Returns
    -------
    Tensor of shape (B, *kept shape of the targets), or (B, targets) of a matrix
    """
    import torch

    if connection.pool > 1:
        activity = torch.nn.functional.avg_pool2d(activity, connection.pool, divisor_override=1)
    if isinstance(connection, ConvConnection):
        geometry = connection.geometry
        groups = connection.inputs if connection.depthwise else 1
        below, right = geometry.extra
        if below or right:
            activity = torch.nn.functional.pad(activity, (0, right, 0, below))
        return torch.nn.functional.conv2d(
            activity, weight, None, geometry.stride, geometry.padding, geometry.dilation, groups
        )
    return torch.nn.functional.linear(activity.flatten(1), weight)


def reached(layer: Layer, arriving: list[np.ndarray]) -> np.ndarray:
    """Whether at least one spike reaches each neuron at each step, bool ``(samples, steps, neurons)``.

    Parameters
    ----------
    layer : Layer
    arriving : list of arrays of shape (samples, steps, *source shape)
        What arrives from each of its sources.
    """
    # Imported here: hardware is described and listed without it.
    import torch

    samples, steps = arriving[0].shape[:2]
    anything = np.zeros((samples, steps, layer.size), bool)
    for incoming, activity in zip(layer.inputs, arriving, strict=True):
        present = torch.from_numpy((dense_weight(incoming.connection) != 0).astype(np.float32))
        events = torch.from_numpy((activity != 0).astype(np.float32)).flatten(0, 1)
        with torch.inference_mode():
            arrived = synaptic_sums(incoming.connection, present, events)
        # Counts are whole: anything at all is at least 1.
        anything |= (arrived > 0.5).numpy().reshape(anything.shape)
    return anything


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
        reach = _between_positions(connection, pooled)
        counts = np.einsum(
            "ckl,kyo,lxp->cyx", _present(connection, connection.indices, pooled[0]), *reach, optimize=True
        )
    else:
        counts = np.asarray(connection.matrix.getnnz(axis=0), np.int64).reshape(pooled)
    return over_windows(counts, source, pool)


def fan_in(connection: Connection, source: Shape) -> np.ndarray:
    """Sources, after pooling, that each target has a synapse from with a weight other than zero.

    Parameters
    ----------
    connection : Connection
    source : tuple of int
        Shape of the source before pooling.

    Returns
    -------
    int64 array, one element a target
    """
    if not isinstance(connection, ConvConnection):
        return np.asarray(connection.matrix.getnnz(axis=1), np.int64)
    reach = _between_positions(connection, pooled_shape(source, connection.pool))
    present = _present(connection, connection.rows, connection.outputs)
    return np.einsum("ckl,kyo,lxp->cop", present, *reach, optimize=True).ravel()


def _present(connection: ConvConnection, channel: np.ndarray, channels: int) -> np.ndarray:
    """Weights other than zero at each place of the kernels of each channel, ``(channels, height, width)``."""
    counts = np.zeros((channels, *connection.geometry.kernel), np.int64)
    np.add.at(counts, channel, connection.kernels != 0)
    return counts


def _between_positions(connection: ConvConnection, source: Shape) -> list[np.ndarray]:
    """Whether a place of the kernel joins two positions: for each axis, ``(kernel, inputs, outputs)``."""
    geometry = connection.geometry
    reach = []
    for axis, (inputs, outputs) in enumerate(zip(source[1:], geometry.extent(*source[1:]), strict=True)):
        positions = geometry.sources(axis, outputs)
        reach.append((positions[:, None] == np.arange(inputs)[:, None]).astype(np.int64))
    return reach
