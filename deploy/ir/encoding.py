"""The choice between encodings of a connection."""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from deploy.ir.connection import Connection, ConvConnection, MatrixConnection, unrolled
from deploy.ir.geometry import Geometry, Shape, pooled_shape

Encoding = Literal["smaller", "shared", "sparse"]
"""How a convolution is to be stored (:func:`encode`)."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

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

    An index takes as many bits as distinguish the sources; a convolution has one for each kernel, a matrix
    one for each weight.
    """
    if isinstance(connection, ConvConnection):
        return connection.stored_weights * WEIGHT_BITS + len(connection.indices) * _index_bits(
            connection.inputs
        )
    return _matrix_bits(connection.stored_weights, connection.matrix.shape[1])


def smaller_encoding(connection: Connection, source: Shape) -> Connection:
    """The connection, or its unrolled matrix where that takes fewer bits.

    A convolution stays one while sharing its kernels saves more than their zeros cost: nearly always, but not
    where few positions share a kernel.
    """
    if not isinstance(connection, ConvConnection):
        return connection
    pooled = pooled_shape(source, connection.pool)
    unrolled_bits = _matrix_bits(unrolled_weights(connection, pooled), int(np.prod(pooled)))
    return as_matrix(connection, source) if unrolled_bits < stored_bits(connection) else connection


def unrolled_weights(connection: ConvConnection, source: Shape) -> int:
    """Weights other than zero of a convolution whose every synapse is stored by itself, counted only.

    Parameters
    ----------
    connection : ConvConnection
    source : tuple of int
        Shape of the source after pooling.
    """
    geometry = connection.geometry
    inside = []
    for axis, (inputs, outputs) in enumerate(zip(source[1:], geometry.extent(*source[1:]), strict=True)):
        positions = geometry.sources(axis, outputs)
        inside.append(((positions >= 0) & (positions < inputs)).sum(axis=1))
    return int(np.einsum("kyx,y,x->", (connection.kernels != 0).astype(np.int64), *inside))


def encode(connection: Connection, source: Shape, encoding: Encoding = "smaller") -> Connection:
    """A convolution in the chosen encoding; other connections as they are.

    Parameters
    ----------
    connection : Connection
    source : tuple of int
        Shape of the source before pooling.
    encoding : str
        ``shared`` kernels, ``sparse`` with every synapse by itself, or whichever is ``smaller``.
    """
    if not isinstance(connection, ConvConnection) or encoding == "shared":
        return connection
    return smaller_encoding(connection, source) if encoding == "smaller" else as_matrix(connection, source)


def as_matrix(connection: ConvConnection, source: Shape) -> MatrixConnection:
    """A convolution with every synapse stored by itself; its pool stays one.

    Parameters
    ----------
    connection : ConvConnection
    source : tuple of int
        Shape of the source before pooling.
    """
    matrix = unrolled(replace(connection, pool=1), pooled_shape(source, connection.pool))
    return MatrixConnection(matrix.astype(np.int16), connection.pool)


def as_convolution(
    connection: Connection, geometry: Geometry | None, source: Shape, target: Shape
) -> ConvConnection | None:
    """The same synapses with shared kernels: the inverse of :func:`as_matrix`.

    Parameters
    ----------
    connection : Connection
    geometry : Geometry or None
        What the connection was before it was encoded otherwise (``Incoming.convolution``).
    source, target : tuple of int
        Shapes of the source before pooling and of the targets.

    Returns
    -------
    ConvConnection or None
        None where the synapses are not those of a convolution.
    """
    if isinstance(connection, ConvConnection):
        return connection
    if geometry is None or len(source) != 3 or len(target) != 3:
        return None
    pooled = pooled_shape(source, connection.pool)
    if geometry.extent(*pooled[1:]) != tuple(target[1:]):
        return None
    matrix = connection.matrix.tocoo()
    post, *positions = np.unravel_index(matrix.row, target)
    pre, *origins = np.unravel_index(matrix.col, pooled)
    elements = []
    for axis in range(2):
        offset = origins[axis] + geometry.padding[axis] - positions[axis] * geometry.stride[axis]
        element, rest = np.divmod(offset, geometry.dilation[axis])
        if rest.any() or (element < 0).any() or (element >= geometry.kernel[axis]).any():
            return None
        elements.append(element)
    weight = np.zeros((target[0], pooled[0], *geometry.kernel), np.int16)
    weight[post, pre, elements[0], elements[1]] = matrix.data
    # Kernels between groups, which are absent, come out as zeros and are not stored.
    ungrouped = encode_convolution(weight, replace(geometry, groups=1), connection.pool, pooled[0])
    convolution = replace(ungrouped, geometry=geometry)
    # Positions may disagree about a kernel that they should share.
    differing = abs(unrolled(convolution, source) - unrolled(connection, source)).count_nonzero()
    return None if differing else convolution


def _matrix_bits(weights: int, columns: int) -> int:
    return weights * (WEIGHT_BITS + _index_bits(columns))


def _index_bits(sources: int) -> int:
    return max(1, (sources - 1).bit_length())
