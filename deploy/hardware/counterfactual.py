"""A pruned network as it would be if less had been left out: its neurons put back, or its zeros stored.

Both keep the spikes of the pruned network: a neuron that was removed is silent. That is what it was, but for
neurons that were removed since nothing listens to them.
"""

from dataclasses import replace
from math import prod

import numpy as np
from scipy import sparse

from deploy.graph import INPUT, ConvConnection, Graph, Layer, MatrixConnection
from deploy.graph.connection import Shape, pooled_shape
from deploy.graph.encoding import encode_convolution
from deploy.recording import Recording
from deploy.synapses import overlap

STORED_ZERO = 1
"""Stands for a zero that is stored. Weights are even, so that it is no weight of a network."""


def with_all_neurons(recording: Recording) -> Recording:
    """The recording in a graph with every neuron there was before pruning; what was removed is silent."""
    graph = recording.graph
    layers = tuple(
        replace(
            layer,
            kept=np.arange(layer.shape[0], dtype=np.int32),
            unheard=np.zeros(0, np.int32),
            connection=_expanded(layer, graph),
        )
        for layer in graph.layers
    )
    spikes = {layer.name: recording.spikes[layer.name] for layer in layers}
    return replace(recording, graph=replace(graph, layers=layers), kept=spikes)


def with_stored_zeros(graph: Graph) -> Graph:
    """The graph with every synapse there was before pruning; pruned ones have the weight ``STORED_ZERO``.

    Parameters
    ----------
    graph : Graph
        With all neurons, as :func:`with_all_neurons` makes it.
    """
    layers = []
    for layer in graph.layers:
        pool = layer.connection.pool
        if layer.convolution is None:
            weights = layer.connection.matrix.toarray()
            filled = sparse.csr_matrix(np.where(weights == 0, np.int16(STORED_ZERO), weights))
            connection = MatrixConnection(filled, pool)
        else:
            weights = _kernels(layer, pooled_shape(graph.source_shape(layer), pool))
            weights[weights == 0] = STORED_ZERO
            connection = encode_convolution(weights, layer.convolution.padding, pool)
        layers.append(replace(layer, connection=connection))
    return replace(graph, layers=tuple(layers))


def _expanded(layer: Layer, graph: Graph) -> ConvConnection | MatrixConnection:
    """A layer's connection between all neurons there were on both sides."""
    connection = layer.connection
    source = graph.input_shape if layer.source == INPUT else graph[layer.source].shape
    kept = np.arange(source[0]) if layer.source == INPUT else graph[layer.source].kept
    if isinstance(connection, ConvConnection):
        weights = connection.dense_weight()
        full = np.zeros((layer.shape[0], source[0], *weights.shape[2:]), np.int16)
        full[np.ix_(layer.kept, kept)] = weights
        return encode_convolution(full, connection.padding, connection.pool)
    pooled = pooled_shape(source, connection.pool)
    rows, columns = _members(layer.kept, layer.shape), _members(kept, pooled)
    synapses = connection.matrix.tocoo()
    matrix = sparse.csr_matrix(
        (synapses.data, (rows[synapses.row], columns[synapses.col])), shape=(prod(layer.shape), prod(pooled))
    )
    return MatrixConnection(matrix, connection.pool)


def _members(kept: np.ndarray, shape: Shape) -> np.ndarray:
    """Flat indices, in the full shape, of the neurons of the channels that were kept."""
    return np.arange(prod(shape)).reshape(shape)[kept].ravel()


def _kernels(layer: Layer, source: Shape) -> np.ndarray:
    """Kernels ``(outputs, inputs, side, side)`` of a convolution, also where it is stored as a matrix."""
    connection = layer.connection
    if isinstance(connection, ConvConnection):
        return connection.dense_weight()
    side, padding = layer.convolution.kernel, layer.convolution.padding
    outputs, height, width = layer.shape
    kernels = np.zeros((outputs, source[0], side, side), np.int16)
    geometry = encode_convolution(kernels, padding, 1)
    for place in np.ndindex(side, side):
        targets, sources = overlap(geometry, source, place)
        if any(axis.start >= axis.stop for axis in targets):
            continue
        # Every position has the same kernel; the first that this place connects shows its weight.
        row, column = (axis.start for axis in targets)
        source_row, source_column = (axis.start for axis in sources)
        rows = np.arange(outputs) * height * width + row * width + column
        columns = np.arange(source[0]) * source[1] * source[2] + source_row * source[2] + source_column
        kernels[(slice(None), slice(None), *place)] = connection.matrix[rows][:, columns].toarray()
    return kernels
