"""Connections: the surviving synapses from one population to the next.

Both kinds first sum the source over non-overlapping windows of ``pool`` x ``pool`` positions (1: no
pooling), the exact form of an average pool whose area is in the targets' threshold. On hardware the pool is
no layer: each source neuron has the synapses of its window.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deploy.ir.geometry import Geometry, Shape, pooled_shape


@dataclass(frozen=True, eq=False)
class ConvConnection:
    """A convolution with shared kernels, stored by kernel.

    Kernels are kept in compressed sparse rows: those of output channel ``c`` are
    ``kernels[indptr[c]:indptr[c + 1]]``, from the input channels ``indices[indptr[c]:indptr[c + 1]]``.
    Groups need no more than that: kernels between them are absent.

    Attributes
    ----------
    kernels : int16 array of shape (n, height, width)
        Integer weights, applied as a correlation (torch's convention).
    indptr : int32 array of shape (outputs + 1,)
    indices : int32 array of shape (n,)
    inputs : int
        Input channels.
    geometry : Geometry
        Its kernel is that of ``kernels``; its groups are those of the network's layer.
    pool : int
        The pool's window.
    """

    kernels: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    inputs: int
    geometry: Geometry
    pool: int = 1

    @property
    def outputs(self) -> int:
        """Output channels."""
        return len(self.indptr) - 1

    @property
    def stored_weights(self) -> int:
        """Weights that are stored, zeros inside surviving kernels included."""
        return self.kernels.size

    @property
    def rows(self) -> np.ndarray:
        """Output channel of each kernel."""
        return np.repeat(np.arange(self.outputs), np.diff(self.indptr))

    @property
    def depthwise(self) -> bool:
        """Whether each output channel has the kernel of its own input channel, and no other."""
        return (
            self.inputs == self.outputs == len(self.indices)
            and bool((np.diff(self.indptr) == 1).all())
            and bool((self.indices == np.arange(self.inputs)).all())
        )

    def dense_weight(self) -> np.ndarray:
        """All kernels, ``(outputs, inputs, height, width)`` int16, absent ones zero."""
        weight = np.zeros((self.outputs, self.inputs, *self.kernels.shape[1:]), np.int16)
        weight[self.rows, self.indices] = self.kernels
        return weight

    def output_shape(self, source: Shape) -> Shape:
        """Shape of the targets for a source of shape ``(C, H, W)``."""
        _, height, width = pooled_shape(source, self.pool)
        return (self.outputs, *self.geometry.extent(height, width))

    def select(self, targets: np.ndarray, sources: np.ndarray) -> "ConvConnection":
        """The kernels between chosen channels that have a weight other than zero.

        Parameters
        ----------
        targets, sources : bool arrays of shape (outputs,) and (inputs,)
        """
        rows = self.rows
        chosen = targets[rows] & sources[self.indices] & self.kernels.any(axis=(1, 2))
        place = np.cumsum(sources) - 1
        counts = np.bincount(rows[chosen], minlength=self.outputs)[targets]
        return ConvConnection(
            kernels=np.ascontiguousarray(self.kernels[chosen]),
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            indices=place[self.indices[chosen]].astype(np.int32),
            inputs=int(sources.sum()),
            geometry=self.geometry,
            pool=self.pool,
        )

    def between_channels(self, condition: np.ndarray) -> np.ndarray:
        """Pairs of channels that have a kernel in which ``condition`` holds, bool ``(outputs, inputs)``.

        Parameters
        ----------
        condition : bool array like ``kernels``
        """
        pairs = np.zeros((self.outputs, self.inputs), bool)
        chosen = condition.any(axis=(1, 2))
        pairs[self.rows[chosen], self.indices[chosen]] = True
        return pairs


@dataclass(frozen=True, eq=False)
class MatrixConnection:
    """Individual synapses in compressed sparse rows; no zero is stored.

    Attributes
    ----------
    matrix : int16 scipy.sparse.csr_matrix of shape (targets, pooled sources)
        Integer weights; sources and targets flattened, channels first.
    pool : int
        The pool's window.
    """

    matrix: sparse.csr_matrix
    pool: int = 1

    @property
    def stored_weights(self) -> int:
        """Weights that are stored."""
        return self.matrix.nnz

    def between_channels(self, condition: np.ndarray, targets: int, sources: int) -> np.ndarray:
        """Pairs of channels with a synapse for which ``condition`` holds, bool ``(targets, sources)``.

        Parameters
        ----------
        condition : bool array like the matrix's ``data``
        targets, sources : int
            Channels (or neurons), whose positions are the matrix's rows and columns.
        """
        rows, columns = self.matrix.shape
        row = np.repeat(np.arange(rows), np.diff(self.matrix.indptr))[condition]
        pairs = np.zeros((targets, sources), bool)
        pairs[row // (rows // targets), self.matrix.indices[condition] // (columns // sources)] = True
        return pairs

    def select(self, targets: np.ndarray, sources: np.ndarray) -> "MatrixConnection":
        """The synapses between chosen channels.

        Parameters
        ----------
        targets, sources : bool arrays, one element a channel (or neuron)
            The matrix has as many rows and columns a channel as it has positions.
        """
        rows, columns = self.matrix.shape
        matrix = self.matrix
        if not sources.all():
            matrix = matrix[:, np.repeat(sources, columns // len(sources))]
        if not targets.all():
            matrix = matrix[np.repeat(targets, rows // len(targets))]
        matrix = matrix.tocsr()
        matrix.eliminate_zeros()
        matrix.sort_indices()
        return MatrixConnection(matrix, self.pool)


Connection = ConvConnection | MatrixConnection


def sums_by_sign(connection: Connection) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the positive weights and of the negative magnitudes of each row, int64.

    A row is an output channel of a convolution, or a neuron.
    """
    if isinstance(connection, ConvConnection):
        area = int(np.prod(connection.kernels.shape[1:]))
        indptr, weights = connection.indptr, connection.kernels.reshape(len(connection.kernels), area)
    else:
        indptr, weights = connection.matrix.indptr, connection.matrix.data[:, None]
    found = []
    for part in (weights.clip(min=0), -weights.clip(max=0)):
        running = np.concatenate([[0], np.cumsum(part.sum(axis=1, dtype=np.int64))])
        found.append(running[indptr[1:]] - running[indptr[:-1]])
    return found[0], found[1]


def unrolled(connection: Connection, source: Shape) -> sparse.csr_matrix:
    """Every synapse by itself, from each source neuron to each target neuron.

    Kernels are unrolled over positions and pools over their windows, exactly at the borders. Zeros are not
    stored.

    Parameters
    ----------
    connection : Connection
    source : tuple of int
        Shape of the source before pooling.

    Returns
    -------
    int32 csr_matrix of shape (targets, sources)
    """
    pooled = pooled_shape(source, connection.pool)
    if isinstance(connection, ConvConnection):
        matrix = _unroll_kernels(connection, source, pooled)
    else:
        matrix = connection.matrix.astype(np.int32)
    if connection.pool > 1:
        matrix = (matrix @ _pool_matrix(source, connection.pool)).tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _unroll_kernels(connection: ConvConnection, source: Shape, pooled: Shape) -> sparse.csr_matrix:
    _, height, width = pooled
    outputs, out_height, out_width = connection.output_shape(source)
    kernel, ky, kx = np.nonzero(connection.kernels)
    values = connection.kernels[kernel, ky, kx].astype(np.int32)
    oy, ox = (grid.ravel() for grid in np.mgrid[:out_height, :out_width])
    iy = connection.geometry.sources(0, out_height)[ky][:, oy]
    ix = connection.geometry.sources(1, out_width)[kx][:, ox]
    inside = (iy >= 0) & (iy < height) & (ix >= 0) & (ix < width)
    rows = (connection.rows[kernel][:, None] * out_height + oy[None]) * out_width + ox[None]
    cols = (connection.indices[kernel].astype(np.int64)[:, None] * height + iy) * width + ix
    data = np.broadcast_to(values[:, None], inside.shape)
    shape = (outputs * out_height * out_width, int(np.prod(pooled)))
    return sparse.csr_matrix((data[inside], (rows[inside], cols[inside])), shape=shape)


def _pool_matrix(source: Shape, pool: int) -> sparse.csr_matrix:
    """``(pooled, sources)`` matrix of ones that sums each window."""
    channels, height, width = source
    _, pooled_height, pooled_width = pooled_shape(source, pool)
    c, y, x = (grid.ravel() for grid in np.mgrid[:channels, : pooled_height * pool, : pooled_width * pool])
    rows = (c * pooled_height + y // pool) * pooled_width + x // pool
    cols = (c * height + y) * width + x
    shape = (channels * pooled_height * pooled_width, channels * height * width)
    return sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, cols)), shape=shape)
