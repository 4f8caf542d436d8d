"""What the simulator needs of a graph, as arrays that its kernels take."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.ir import INPUT, ConvConnection, Graph, Incoming, Layer
from deploy.ir.connection import sums_by_sign
from deploy.ir.geometry import Shape, pooled_shape
from deploy.ir.neurons.neuron import SpikingNeuron
from deploy.simulator.bounds import check_bounds
from dpap.neurons.parameters import STATE_SHIFT

SMALL_SUMS = 1 << 15
"""Sums below this in magnitude are computed in 16 bits."""


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses from one source.

    Attributes
    ----------
    source : str
    shape : tuple of int
        Shape of the source, before pooling.
    pool : int
        Window whose sums arrive.
    pooled_type : dtype
        Of these sums.
    delays : integer array of the source's neurons, or None
    indptr : int64 array
        Where the synapses of each neuron (the taps of each channel) begin.
    entries : tuple of arrays
        Of a matrix: sources and weights. Of a convolution: its taps.
    stride, extent : (int, int) or None
        Of a convolution.
    bound : int
        Largest magnitude of a sum.
    """

    source: str
    shape: Shape
    pool: int
    pooled_type: np.dtype
    delays: np.ndarray | None
    indptr: np.ndarray
    entries: tuple[np.ndarray, ...]
    stride: tuple[int, int] | None
    extent: tuple[int, int] | None
    bound: int

    @property
    def pooled(self) -> Shape:
        """Shape of what arrives."""
        return pooled_shape(self.shape, self.pool)

    @property
    def convolution(self) -> tuple:
        """What kernels take of a convolution."""
        return self.pooled[1:], self.indptr, *self.entries, self.stride, self.extent


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """One layer.

    Attributes
    ----------
    name : str
    neurons : int
    inputs : tuple of Synapses
        Of all sources but the layer itself.
    recurrent : Synapses or None
    bias : int32 array of shape (neurons,)
        In state units.
    kind : SpikingNeuron
    neuron : tuple
        Its constants for kernels.
    sum_type : dtype
        16 bits where no sum needs more.
    """

    name: str
    neurons: int
    inputs: tuple[Synapses, ...]
    recurrent: Synapses | None
    bias: np.ndarray
    kind: SpikingNeuron
    neuron: tuple[Any, ...]
    sum_type: np.dtype

    @property
    def bound(self) -> int:
        """Largest magnitude of a sum over all sources."""
        recurrent = 0 if self.recurrent is None else self.recurrent.bound
        return recurrent + sum(synapses.bound for synapses in self.inputs)

    @property
    def fused(self) -> bool:
        """Whether sums can be used as they are made.

        They come from one source, which is another layer, and there are kernels for it.
        """
        return self.kind.fused and len(self.inputs) == 1 and self.recurrent is None


def plan(graph: Graph) -> tuple[LayerPlan, ...]:
    """Plans of all layers, in their order.

    Raises
    ------
    InputError
        A state could leave 32 bits (:mod:`deploy.simulator.bounds`).
    """
    layers = tuple(_plan_layer(graph, layer) for layer in graph.layers)
    check_bounds(graph, {layer.name: layer.bound for layer in layers})
    return layers


def _plan_layer(graph: Graph, layer: Layer) -> LayerPlan:
    inputs, recurrent = [], None
    for incoming in layer.inputs:
        synapses = synapses_of(graph, incoming)
        if incoming.source != layer.name:
            inputs.append(synapses)
        elif recurrent is None:
            recurrent = synapses
    bias = np.zeros(layer.size, np.int32)
    if layer.bias is not None:
        bias += layer.neuron_bias << STATE_SHIFT
    small = sum(synapses.bound for synapses in inputs) < SMALL_SUMS
    return LayerPlan(
        name=layer.name,
        neurons=layer.size,
        inputs=tuple(inputs),
        recurrent=recurrent,
        bias=bias,
        kind=layer.neuron,
        neuron=layer.neuron.constants,
        sum_type=np.dtype(np.int16 if small else np.int32),
    )


def synapses_of(graph: Graph, incoming: Incoming) -> Synapses:
    """Synapses from one source of a layer, as arrays."""
    connection, shape = incoming.connection, graph.source_shape(incoming)
    largest = (graph.input_max if incoming.source == INPUT else 1) * connection.pool**2
    stride = extent = None
    if isinstance(connection, ConvConnection):
        indptr, entries = _taps(connection)
        stride, extent = connection.geometry.stride, connection.output_shape(shape)[1:]
    else:
        matrix = connection.matrix
        indptr, entries = matrix.indptr.astype(np.int64), (matrix.indices, matrix.data)
    return Synapses(
        source=incoming.source,
        shape=shape,
        pool=connection.pool,
        pooled_type=np.min_scalar_type(largest),
        delays=None if incoming.delays is None else incoming.delays.ravel(),
        indptr=indptr,
        entries=entries,
        stride=stride,
        extent=extent,
        bound=largest * max(int(sums.max(initial=0)) for sums in sums_by_sign(connection)),
    )


def _taps(connection: ConvConnection) -> tuple[np.ndarray, tuple[np.ndarray]]:
    """Where each channel's taps begin, and the weights of its kernels that are not zero with their places."""
    geometry = connection.geometry
    kernel, row, column = np.nonzero(connection.kernels)
    taps = np.stack(
        [
            connection.indices[kernel],
            row * geometry.dilation[0] - geometry.padding[0],
            column * geometry.dilation[1] - geometry.padding[1],
            connection.kernels[kernel, row, column],
        ],
        axis=1,
    ).astype(np.int32)
    counts = np.bincount(connection.rows[kernel], minlength=connection.outputs)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (taps,)
