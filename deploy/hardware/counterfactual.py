"""Counterfactual networks: a pruned network with its neurons put back, or its zeros stored.

Both keep the spikes of the pruned network: a neuron that was removed is silent. That is what it was, but for
neurons that were removed since they had no fan-out.
"""

from dataclasses import replace
from math import prod

import numpy as np
from scipy import sparse

from deploy.ir import INPUT, ConvConnection, Graph, Incoming, Layer, MatrixConnection
from deploy.ir.encoding import encode_convolution
from deploy.ir.geometry import Shape, pooled_shape
from deploy.recording import Recording

STORED_ZERO = 1
"""Stands for a zero that is stored. Weights are even, so that it is no weight of a network."""


def with_all_neurons(recording: Recording) -> Recording:
    """The recording in a graph with every neuron there was before pruning; what was removed is silent.

    What was removed has no delay and no bias here: neither does anything without a spike.
    """
    graph = recording.graph
    layers = tuple(
        replace(
            layer,
            kept=np.arange(layer.shape[0], dtype=np.int32),
            without_fan_out=np.zeros(0, np.int32),
            inputs=tuple(_expanded(layer, incoming, graph) for incoming in layer.inputs),
            bias=None if layer.bias is None else _placed(layer.bias, layer.kept, layer.shape[:1]),
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
    layers = tuple(
        replace(layer, inputs=tuple(_filled(layer, incoming, graph) for incoming in layer.inputs))
        for layer in graph.layers
    )
    return replace(graph, layers=layers)


def _expanded(layer: Layer, incoming: Incoming, graph: Graph) -> Incoming:
    """An input's synapses between all neurons there were on both sides."""
    connection = incoming.connection
    if incoming.source == INPUT:
        source, kept = graph.input_shape, np.arange(graph.input_shape[0])
    else:
        source, kept = graph[incoming.source].shape, graph[incoming.source].kept
    delays = None if incoming.delays is None else _placed(incoming.delays, kept, source)
    if isinstance(connection, ConvConnection):
        # Kernels in order of their outputs, as they were.
        counts = np.zeros(layer.shape[0], np.int64)
        counts[layer.kept] = np.diff(connection.indptr)
        connection = replace(
            connection,
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            indices=kept[connection.indices].astype(np.int32),
            inputs=source[0],
        )
        return replace(incoming, connection=connection, delays=delays)
    pooled = pooled_shape(source, connection.pool)
    rows, columns = _members(layer.kept, layer.shape), _members(kept, pooled)
    synapses = connection.matrix.tocoo()
    matrix = sparse.csr_matrix(
        (synapses.data, (rows[synapses.row], columns[synapses.col])), shape=(prod(layer.shape), prod(pooled))
    )
    return replace(incoming, connection=MatrixConnection(matrix, connection.pool), delays=delays)


def _placed(values: np.ndarray, kept: np.ndarray, shape: Shape) -> np.ndarray:
    """Values of the channels that were kept, in the full shape, zero elsewhere."""
    full = np.zeros(shape, values.dtype)
    full[kept] = values
    return full


def _members(kept: np.ndarray, shape: Shape) -> np.ndarray:
    """Flat indices, in the full shape, of the neurons of the channels that were kept."""
    return np.arange(prod(shape)).reshape(shape)[kept].ravel()


def _filled(layer: Layer, incoming: Incoming, graph: Graph) -> Incoming:
    """An input with every synapse there was before pruning."""
    connection, geometry = incoming.connection, incoming.convolution
    if geometry is None:
        weights = connection.matrix.toarray()
        filled = sparse.csr_matrix(np.where(weights == 0, np.int16(STORED_ZERO), weights))
        return replace(incoming, connection=MatrixConnection(filled, connection.pool))
    source = pooled_shape(graph.source_shape(incoming), connection.pool)
    weights = _of_groups(_kernels(layer, incoming, source), geometry.groups)
    weights[weights == 0] = STORED_ZERO
    filled = encode_convolution(weights, geometry, connection.pool, source[0])
    return replace(incoming, connection=filled)


def _of_groups(kernels: np.ndarray, groups: int) -> np.ndarray:
    """Kernels within groups, ``(outputs, inputs / groups, height, width)``, of those between all channels."""
    outputs, inputs, *extent = kernels.shape
    by_group = kernels.reshape(groups, outputs // groups, groups, inputs // groups, *extent)
    own = np.arange(groups)
    return by_group[own, :, own].reshape(outputs, inputs // groups, *extent)


def _kernels(layer: Layer, incoming: Incoming, source: Shape) -> np.ndarray:
    """Kernels ``(outputs, inputs, height, width)`` of a convolution, also where it is stored as a matrix."""
    connection, geometry = incoming.connection, incoming.convolution
    if isinstance(connection, ConvConnection):
        return connection.dense_weight()
    outputs, *extent = layer.shape
    kernels = np.zeros((outputs, source[0], *geometry.kernel), np.int16)
    joined = [_first_joined(geometry.sources(axis, extent[axis]), source[1 + axis]) for axis in range(2)]
    target = np.arange(outputs * prod(extent)).reshape(layer.shape)
    received = np.arange(prod(source)).reshape(source)
    for ky, kx in np.ndindex(*geometry.kernel):
        if joined[0][ky] is None or joined[1][kx] is None:
            continue
        (row, source_row), (column, source_column) = joined[0][ky], joined[1][kx]
        rows, columns = target[:, row, column], received[:, source_row, source_column]
        kernels[:, :, ky, kx] = connection.matrix[rows][:, columns].toarray()
    return kernels


def _first_joined(positions: np.ndarray, inputs: int) -> list[tuple[int, int] | None]:
    """First output and input position that each element of a kernel joins along an axis, or None.

    Every position has the same kernel, so that any pair shows its weight.
    """
    first = []
    for of_element in positions:
        inside = np.flatnonzero((of_element >= 0) & (of_element < inputs))
        first.append((int(inside[0]), int(of_element[inside[0]])) if len(inside) else None)
    return first
