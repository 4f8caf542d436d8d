"""The choice between encodings of a connection."""

import numpy as np

from deploy.graph.connection import Connection, ConvConnection, MatrixConnection, unrolled
from deploy.graph.geometry import Geometry, Shape, pooled_shape

WEIGHT_BITS = 8
"""Bits of a stored weight."""


def encode_convolution(weight: np.ndarray, geometry: Geometry, pool: int, inputs: int) -> ConvConnection:
    """Keep the kernels that have a weight other than zero.

    Parameters
    ----------
    weight : int16 array of shape (outputs, inputs / groups, height, width)
    geometry : Geometry
    pool : int
    inputs : int
        Input channels of all groups.
    """
    alive = weight.any(axis=(2, 3))
    post, pre = np.nonzero(alive)
    # Each group's inputs come after those of the groups before.
    first = post // (len(weight) // geometry.groups) * weight.shape[1]
    return ConvConnection(
        kernels=np.ascontiguousarray(weight[post, pre]),
        indptr=np.concatenate([[0], np.cumsum(alive.sum(1))]).astype(np.int32),
        indices=(first + pre).astype(np.int32),
        inputs=inputs,
        geometry=geometry,
        pool=pool,
    )


def stored_bits(connection: Connection) -> int:
    """Bits that the weights of a connection and the indices of their sources take.

    An index takes as many bits as tell the sources apart; a convolution has one for each kernel, a matrix one
    for each weight.
    """
    if isinstance(connection, ConvConnection):
        return connection.stored_weights * WEIGHT_BITS + len(connection.indices) * _index_bits(
            connection.inputs
        )
    index = _index_bits(connection.matrix.shape[1])
    return connection.stored_weights * (WEIGHT_BITS + index)


def smaller_encoding(connection: Connection, source: Shape) -> Connection:
    """The connection, or its unrolled matrix where that takes fewer bits.

    A convolution stays one while sharing its kernels saves more than their zeros cost: nearly always, but not
    where few positions share a kernel.
    """
    if not isinstance(connection, ConvConnection):
        return connection
    nonzero = np.count_nonzero(connection.kernels)
    positions = int(np.prod(connection.output_shape(source)[1:]))
    # Borders leave out at most all but one position of a kernel, so this bound spares the unrolling.
    kernel_area = int(np.prod(connection.kernels.shape[1:]))
    if nonzero * max(1, positions // kernel_area) > connection.stored_weights + len(connection.indices):
        return connection
    matrix = as_matrix(connection, source)
    return matrix if stored_bits(matrix) < stored_bits(connection) else connection


def as_matrix(connection: ConvConnection, source: Shape) -> MatrixConnection:
    """A convolution with every synapse stored by itself; its pool stays one.

    Parameters
    ----------
    connection : ConvConnection
    source : tuple of int
        Shape of the source before pooling.
    """
    unpooled = ConvConnection(
        connection.kernels, connection.indptr, connection.indices, connection.inputs, connection.geometry
    )
    matrix = unrolled(unpooled, pooled_shape(source, connection.pool))
    return MatrixConnection(matrix.astype(np.int16), connection.pool)


def _index_bits(sources: int) -> int:
    return max(1, (sources - 1).bit_length())
