"""Leaving out what cannot matter: dead synapses, channels and neurons.

A channel (a neuron, in a flat layer) is *silent* if no synapse of it can lift it over its threshold: here,
if it has no positive incoming weight from a source that is not silent. It is *unheard* if no synapse leads
from it to anything that is kept. Both are removed, from both sides. The output layer keeps its shape, and a
layer that would be empty keeps one silent channel, so that every backend has something to run.
"""

from dataclasses import replace

import numpy as np

from deploy.graph import INPUT, Connection, ConvConnection, Graph, Layer, MatrixConnection
from deploy.graph.encoding import encode_convolution, smaller_encoding


def compact(graph: Graph) -> Graph:
    """The same network without what cannot change its output.

    Every kept neuron spikes as before. Removed ones are silent for any input, except those that each layer
    lists as ``unheard``.
    """
    layers = list(graph.layers)
    weights = {layer.name: _by_channel(layer, graph) for layer in layers}
    alive = {layer.name: np.ones(len(layer.kept), bool) for layer in layers}
    silent = {layer.name: np.zeros(len(layer.kept), bool) for layer in layers}
    # Forward: silence spreads, since a silent source is as good as none.
    for layer in layers:
        reach = weights[layer.name][0]
        if layer.source != INPUT:
            reach = reach & ~silent[layer.source][None]
        silent[layer.name] = ~reach.any(1)
    # Backward: what only silent or unheard targets hear is unheard.
    for layer in reversed(layers):
        heard = _heard(layer, layers, weights, alive)
        alive[layer.name] = heard if layer is layers[-1] else heard & ~silent[layer.name]
        if not alive[layer.name].any():
            # Whatever stays here is cut off from the output; a channel without synapses is the plainest.
            alive[layer.name][np.argmax(silent[layer.name])] = True
    compacted: list[Layer] = []
    for layer in layers:
        kept = np.flatnonzero(alive[layer.name])
        unheard = np.flatnonzero(~alive[layer.name] & ~silent[layer.name])
        source_alive = None if layer.source == INPUT else alive[layer.source]
        source_shape = graph.source_shape(layer)
        connection = _select(layer.connection, kept, source_alive)
        kept_source = source_shape if source_alive is None else (int(source_alive.sum()), *source_shape[1:])
        compacted.append(
            replace(
                layer,
                kept=layer.kept[kept],
                unheard=np.concatenate([layer.unheard, layer.kept[unheard]]),
                connection=smaller_encoding(connection, kept_source),
            )
        )
    return replace(graph, layers=tuple(compacted))


def _by_channel(layer: Layer, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Whether any positive weight, and any weight, leads from each source channel to each channel."""
    connection = layer.connection
    sources = graph.source_shape(layer)[0]
    if isinstance(connection, ConvConnection):
        weight = connection.dense_weight()
        return (weight > 0).any(axis=(2, 3)), (weight != 0).any(axis=(2, 3))
    targets = connection.matrix.shape[0]
    weight = connection.dense.reshape(len(layer.kept), targets // len(layer.kept), sources, -1)
    return (weight > 0).any(axis=(1, 3)), (weight != 0).any(axis=(1, 3))


def _heard(layer: Layer, layers: list[Layer], weights, alive) -> np.ndarray:
    if layer is layers[-1]:
        return np.ones(len(layer.kept), bool)
    heard = np.zeros(len(layer.kept), bool)
    for target in layers:
        if target.source == layer.name:
            heard |= weights[target.name][1][alive[target.name]].any(0)
    return heard


def _select(connection: Connection, kept: np.ndarray, source_alive: np.ndarray | None) -> Connection:
    """The rows and columns of a connection that survive."""
    if isinstance(connection, ConvConnection):
        weight = connection.dense_weight()[kept]
        if source_alive is not None:
            weight = weight[:, source_alive]
        return encode_convolution(weight, connection.padding, connection.pool)
    matrix = connection.matrix
    if source_alive is not None and not source_alive.all():
        positions = matrix.shape[1] // len(source_alive)
        matrix = matrix[:, np.repeat(source_alive, positions)]
    if len(kept) < matrix.shape[0]:
        matrix = matrix[kept]
    matrix = matrix.tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return MatrixConnection(matrix, connection.pool)
