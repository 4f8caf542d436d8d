"""What a layer's synapses take on cores, for any split of its neurons: one class a kind of connection.

An axon is one source after pooling: sources in one pooling window have the same synapses and share it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Protocol

import numpy as np
from scipy import sparse

from deploy.graph import ConvConnection, Graph, Layer
from deploy.graph.connection import pooled_shape
from deploy.hardware.convolution_lists import core_lists, core_routes, kernel_tables
from deploy.hardware.structure import SynapseFormat
from deploy.hardware.synapse_memory import (
    CONVOLUTION,
    DENSE,
    bits_per_axon,
    core_bits,
    encodings_of,
    index_bits,
)
from deploy.synapses import fan_out, overlap


def placement_order(layer: Layer) -> np.ndarray:
    """Neurons in the order in which they are dealt to cores: by position, all channels of each in turn."""
    index = np.arange(layer.size)
    if len(layer.kept_shape) == 1:
        return index
    return np.moveaxis(index.reshape(layer.kept_shape), 0, -1).ravel()


class PlacedSynapses(Protocol):
    """Synapses of one layer in one encoding, their targets in the order in which they are dealt to cores."""

    encoding: str

    @property
    def heard(self) -> int:
        """Axons with at least one synapse."""

    @property
    def largest_fan_in(self) -> int:
        """Most axons that one neuron hears."""

    def usage(self, bounds: np.ndarray, cores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits of synaptic memory and input axons of the chosen cores, int64 ``(len(cores),)`` each.

        Parameters
        ----------
        bounds : int64 array of shape (all cores + 1,)
            Targets of core c, in the order of placement, are ``bounds[c]`` to ``bounds[c + 1] - 1``.
        cores : int64 array
        """

    def stored(self, bounds: np.ndarray, axons: np.ndarray) -> sparse.csr_matrix:
        """Stored synapses of each axon on each core, int64 ``(axons, cores)``; dense lists with their zeros.

        Parameters
        ----------
        bounds : int64 array of shape (cores + 1,)
        axons : int64 array of shape (cores,)
            Input axons of each core, as :meth:`usage` counts them.
        """


@dataclass(frozen=True, eq=False)
class MatrixSynapses:
    """Single synapses, as a matrix.

    Attributes
    ----------
    matrix : csr_matrix of shape (targets in the order of placement, axons)
    encoding : str
        ``dense`` or ``sparse``.
    layout : SynapseFormat
    """

    matrix: sparse.csr_matrix
    encoding: str
    layout: SynapseFormat

    @cached_property
    def heard(self) -> int:
        """Axons with at least one synapse."""
        return int(np.count_nonzero(self.matrix.getnnz(axis=0)))

    @cached_property
    def largest_fan_in(self) -> int:
        """Most axons that one neuron hears."""
        return int(self.matrix.getnnz(axis=1).max())

    def usage(self, bounds: np.ndarray, cores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits and input axons of the chosen cores."""
        bits, axons = np.zeros(len(cores), np.int64), np.zeros(len(cores), np.int64)
        for index, core in enumerate(cores):
            part = self.matrix[bounds[core] : bounds[core + 1]].tocsc()
            bits[index] = core_bits(part, self.encoding, self.layout)
            axons[index] = np.count_nonzero(np.diff(part.indptr))
        return bits, axons

    def stored(self, bounds: np.ndarray, axons: np.ndarray) -> sparse.csr_matrix:
        """Stored synapses of each axon on each core."""
        sizes = np.diff(bounds)
        core_of = np.repeat(np.arange(len(sizes)), sizes)
        targets = np.repeat(core_of, np.diff(self.matrix.indptr))
        shape = (self.matrix.shape[1], len(sizes))
        ones = np.ones(self.matrix.nnz, np.int64)
        counts = sparse.coo_matrix((ones, (self.matrix.indices, targets)), shape=shape).tocsr()
        if self.encoding == DENSE:
            # A list that is there at all has a weight for every neuron of its core.
            counts.data = sizes[counts.indices]
        return counts


@dataclass(frozen=True, eq=False)
class ConvolutionSynapses:
    """Kernels, whose lists are counted without unrolling them (:mod:`deploy.hardware.convolution_lists`).

    Attributes
    ----------
    connection : ConvConnection
    source : tuple of int
        ``(channels, height, width)`` after pooling.
    layout : SynapseFormat
    """

    connection: ConvConnection
    source: tuple[int, ...]
    layout: SynapseFormat
    encoding: str = CONVOLUTION

    @cached_property
    def heard(self) -> int:
        """Axons with at least one synapse."""
        return int(np.count_nonzero(fan_out(replace(self.connection, pool=1), self.source)))

    @cached_property
    def largest_fan_in(self) -> int:
        """Most axons that one neuron hears."""
        present = (self.connection.dense_weight() != 0).sum(axis=1)
        height, width = self._extent
        fan_in = np.zeros((len(present), height, width), np.int64)
        for ky, kx in np.ndindex(present.shape[1:]):
            targets, _ = overlap(self.connection, self.source, (ky, kx))
            fan_in[(slice(None), *targets)] += present[:, ky, kx, None, None]
        return int(fan_in.max())

    def usage(self, bounds: np.ndarray, cores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits and input axons of the chosen cores."""
        lists = core_lists(*self._geometry, self.layout.axon_base_range.whole, bounds, cores)
        longest = int(np.diff(bounds).max())
        tables: dict[int, np.ndarray] = {}
        bits = np.zeros(len(cores), np.int64)
        for index, (largest, counts) in enumerate(zip(lists.largest, lists.lengths, strict=True)):
            width = index_bits(int(largest), self.layout)
            if width not in tables:
                tables[width] = bits_per_axon(np.arange(longest + 1), width, self.layout)
            bits[index] = counts @ tables[width][: len(counts)]
        return bits, lists.axons

    def stored(self, bounds: np.ndarray, axons: np.ndarray) -> sparse.csr_matrix:
        """Stored synapses of each axon on each core."""
        heard, counts = core_routes(*self._geometry, bounds, axons)
        indptr = np.concatenate([[0], np.cumsum(axons)])
        shape = (prod(self.source), len(axons))
        return sparse.csc_matrix((counts, heard, indptr), shape=shape).tocsr()

    @cached_property
    def _geometry(self) -> tuple:
        return kernel_tables(self.connection), self.source, self._extent, self.connection.padding

    @property
    def _extent(self) -> tuple[int, int]:
        _, height, width = replace(self.connection, pool=1).output_shape(self.source)
        return height, width


def placed_synapses(graph: Graph, layer: Layer, layout: SynapseFormat) -> list[PlacedSynapses]:
    """A layer's synapses in each encoding that they can have on a core, the plainer first."""
    connection = layer.connection
    if isinstance(connection, ConvConnection):
        source = pooled_shape(graph.source_shape(layer), connection.pool)
        return [ConvolutionSynapses(connection, source, layout)]
    matrix = connection.matrix[placement_order(layer)]
    return [MatrixSynapses(matrix, encoding, layout) for encoding in encodings_of(connection)]


def axon_of_source(graph: Graph, layer: Layer) -> np.ndarray:
    """Axon of each source neuron, int64; -1 for what lies in no pooling window."""
    source, pool = graph.source_shape(layer), layer.connection.pool
    pooled = pooled_shape(source, pool)
    index = np.arange(prod(pooled)).reshape(pooled)
    if pool == 1:
        return index.ravel()
    axons = np.full(source, -1, np.int64)
    height, width = pooled[1] * pool, pooled[2] * pool
    axons[:, :height, :width] = index.repeat(pool, axis=1).repeat(pool, axis=2)
    return axons.ravel()
