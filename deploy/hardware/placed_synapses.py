"""The synaptic memory and axons of a layer on its cores, for any split of its neurons.

A layer all of whose inputs are kernels is stored as convolutions. Where one of them is a matrix all are
stored as single synapses.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Protocol

import numpy as np
from scipy import sparse

from deploy.errors import HardwareError
from deploy.hardware.axons import Axons
from deploy.hardware.structure import SynapseFormat
from deploy.hardware.synapse_memory import (
    CONVOLUTION,
    DENSE,
    bits_per_axon,
    core_bits,
    encodings_of,
    index_bits,
)
from deploy.hardware.unrolled_lists import distinct_lists
from deploy.ir import ConvConnection, Graph, Layer
from deploy.ir.connection import unrolled
from deploy.ir.geometry import pooled_shape
from deploy.measurement.synapses import fan_in, fan_out

UNROLLED_SYNAPSES = 50_000_000
"""Synapses of kernels that a layer is unrolled to at most; about 2 GB while it is done."""


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
    def received(self) -> int:
        """Axons with at least one synapse."""

    @property
    def largest_fan_in(self) -> int:
        """Most axons of one neuron."""

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
        ``dense``, ``sparse`` or ``convolution``.
    layout : SynapseFormat
    delay : int64 array of shape (axons,)
        Steps that the synapses of each axon delay a spike.
    """

    matrix: sparse.csr_matrix
    encoding: str
    layout: SynapseFormat
    delay: np.ndarray

    @cached_property
    def received(self) -> int:
        """Axons with at least one synapse."""
        return int(np.count_nonzero(self.matrix.getnnz(axis=0)))

    @cached_property
    def largest_fan_in(self) -> int:
        """Most axons of one neuron."""
        return int(self.matrix.getnnz(axis=1).max())

    def usage(self, bounds: np.ndarray, cores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits and input axons of the chosen cores."""
        bits, axons = np.zeros(len(cores), np.int64), np.zeros(len(cores), np.int64)
        for index, core in enumerate(cores):
            part = self.matrix[bounds[core] : bounds[core + 1]].tocsc()
            bits[index] = self._bits(part)
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

    def _bits(self, part: sparse.csc_matrix) -> int:
        if self.encoding != CONVOLUTION:
            return core_bits(part, self.encoding, self.layout)
        lengths, largest = distinct_lists(part, self.delay, self.layout.axon_base_range.whole)
        return int(bits_per_axon(lengths, index_bits(largest, self.layout), self.layout).sum())


@dataclass(frozen=True, eq=False)
class ConvolutionSynapses:
    """Kernels of one source, whose lists are counted without unrolling them.

    They step by one position (:mod:`deploy.hardware.convolution_lists`), and their delays are all the same.

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
    def received(self) -> int:
        """Axons with at least one synapse."""
        return int(np.count_nonzero(fan_out(self._unpooled, self.source)))

    @cached_property
    def largest_fan_in(self) -> int:
        """Most axons of one neuron."""
        return int(fan_in(self._unpooled, self.source).max())

    def usage(self, bounds: np.ndarray, cores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits and input axons of the chosen cores."""
        # Imported here, as below: numba takes a quarter of a second, and targets are listed without it.
        from deploy.hardware.convolution_lists import core_lists

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
        from deploy.hardware.convolution_lists import core_axons

        received, counts = core_axons(*self._geometry, bounds, axons)
        indptr = np.concatenate([[0], np.cumsum(axons)])
        shape = (prod(self.source), len(axons))
        return sparse.csc_matrix((counts, received, indptr), shape=shape).tocsr()

    @cached_property
    def _geometry(self) -> tuple:
        from deploy.hardware.convolution_lists import kernel_tables

        return kernel_tables(self.connection), self.source, self._extent, self.connection.geometry.padding

    @cached_property
    def _unpooled(self) -> ConvConnection:
        return replace(self.connection, pool=1)

    @property
    def _extent(self) -> tuple[int, int]:
        return self.connection.geometry.extent(*self.source[1:])


def placed_synapses(graph: Graph, layer: Layer, axons: Axons, layout: SynapseFormat) -> list[PlacedSynapses]:
    """A layer's synapses in each encoding that they can have on a core, the plainer first.

    Raises
    ------
    HardwareError
        The layer's kernels have to be unrolled, to more synapses than ``UNROLLED_SYNAPSES``.
    """
    layout = _with_delays(layout, int(axons.delay.max(initial=0)))
    if _steps_by_one(layer, axons):
        connection = layer.inputs[0].connection
        source = pooled_shape(graph.source_shape(layer.inputs[0]), connection.pool)
        return [ConvolutionSynapses(connection, source, layout)]
    matrix = _unrolled(graph, layer)
    if len(axons.column) != matrix.shape[1] or (np.diff(axons.column) != 1).any():
        matrix = matrix[:, axons.column]
    matrix = matrix[placement_order(layer)]
    matrix.sort_indices()
    return [
        MatrixSynapses(matrix, encoding, layout, axons.delay)
        for encoding in encodings_of([incoming.connection for incoming in layer.inputs], matrix)
    ]


def _steps_by_one(layer: Layer, axons: Axons) -> bool:
    """Whether a layer's lists can be counted from its kernels."""
    if len(layer.inputs) > 1 or layer.recurrent or len(np.unique(axons.delay)) > 1:
        return False
    connection = layer.inputs[0].connection
    if not isinstance(connection, ConvConnection):
        return False
    return connection.geometry.stride == connection.geometry.dilation == (1, 1)


def _unrolled(graph: Graph, layer: Layer) -> sparse.csr_matrix:
    """``(targets, pooled sources)`` weights of all inputs side by side."""
    sources = [pooled_shape(graph.source_shape(i), i.connection.pool) for i in layer.inputs]
    unpooled = [replace(incoming.connection, pool=1) for incoming in layer.inputs]
    pairs = list(zip(unpooled, sources, strict=True))
    synapses = sum(int(fan_in(one, source).sum()) for one, source in pairs if isinstance(one, ConvConnection))
    if synapses > UNROLLED_SYNAPSES:
        raise HardwareError(
            f"{layer.name}: its kernels have {synapses:,} synapses, and are placed one by one where a layer"
            " has several sources, delays that differ, or kernels with a stride or dilation; the limit is"
            f" {UNROLLED_SYNAPSES:,}: prune it, or use fewer channels"
        )
    return sparse.hstack([unrolled(one, source) for one, source in pairs], format="csr", dtype=np.int32)


def _with_delays(layout: SynapseFormat, longest: int) -> SynapseFormat:
    """The format with a delay field that holds the longest delay."""
    bits = max(layout.delay_bits.whole, longest.bit_length())
    if bits == layout.delay_bits.whole:
        return layout
    return layout.model_copy(
        update={"delay_bits": layout.delay_bits.model_copy(update={"value": bits, "unit": "bit"})}
    )
