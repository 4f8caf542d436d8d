r"""Bounds of activations for any input: intervals, from layer to layer.

For each channel of a layer the interval of its activation as receivers hold it,
:math:`X[t] = \sum_{t' \le t} m[t']`, follows from those of its sources (interval arithmetic, Moore 1966):

.. math::
    A \in b + \sum_{w > 0} w\, [l, h] - \sum_{w < 0} |w|\, [l, h]

and a unit that never reaches its threshold from zero never sends. A message is rounded down, so that with
every change X falls behind by less than 1: over T steps X is at least
:math:`\lfloor y\, 2^{-k} \rfloor - (T - 1)` for the activation y that was sent last.
"""

from math import prod
from typing import cast

import numpy as np

from deploy.ir import INPUT, Connection, ConvConnection, Graph, Incoming, Layer
from deploy.ir.neurons.neuron import ChangingUnit, Range

LARGE = 1e60
"""Bounds end here: they only have to stay finite."""


def silent_channels(graph: Graph) -> dict[str, np.ndarray]:
    """Channels of each layer that send nothing, whatever the input; bool arrays by layer."""
    gain = 1 if graph.encoder is None else graph.encoder.gain
    channels, largest = graph.input_shape[0], gain * graph.input_max
    known = {INPUT: Range(np.zeros(channels), np.full(channels, float(largest)))}
    silent = {}
    for layer in graph.layers:
        states = (_states if layer.neuron.sums else _largest)(layer, graph, known)
        units = cast(ChangingUnit, layer.neuron)
        silent[layer.name] = ~units.reached(states)
        sent = units.sent(states, graph.time_steps)
        sends = ~silent[layer.name]
        known[layer.name] = Range(*(np.clip(bound, -LARGE, LARGE) * sends for bound in sent))
    return silent


def _states(layer: Layer, graph: Graph, known: dict[str, Range]) -> Range:
    """Bounds of sums and biases."""
    low, high = np.zeros(len(layer.kept)), np.zeros(len(layer.kept))
    for incoming in layer.inputs:
        sums = _sums(incoming.connection, known[incoming.source])
        # Positions of a channel have the same kernels; zero is what a border leaves of them.
        low += sums.low.reshape(len(low), -1).min(1)
        high += sums.high.reshape(len(high), -1).max(1)
    bias = 0 if layer.bias is None else layer.bias
    return Range(low + bias, high + bias)


def _sums(connection: Connection, source: Range) -> Range:
    """Bounds of the sums of each row, over all windows of a pool and any part of a kernel."""
    channels = len(source.low)
    if isinstance(connection, ConvConnection):
        count, rows, columns = connection.outputs, connection.rows, connection.indices
        weights = connection.kernels.reshape(len(connection.kernels), prod(connection.kernels.shape[1:]))
    else:
        matrix = connection.matrix
        count, rows = matrix.shape[0], np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        columns = matrix.indices // (matrix.shape[1] // channels)
        weights = matrix.data[:, None]
    area = connection.pool**2
    raising = area * weights.clip(min=0).sum(1, dtype=np.float64)
    lowering = -area * weights.clip(max=0).sum(1, dtype=np.float64)
    low, high = source.low[columns], source.high[columns]
    return Range(
        np.bincount(rows, raising * low - lowering * high, count),
        np.bincount(rows, raising * high - lowering * low, count),
    )


def _largest(layer: Layer, graph: Graph, known: dict[str, Range]) -> Range:
    low, high = np.zeros(len(layer.kept)), np.zeros(len(layer.kept))
    for incoming in layer.inputs:
        received, source = _receives(incoming, len(low), graph), known[incoming.source]
        low = np.minimum(low, np.where(received, source.low, 0).min(1))
        high = np.maximum(high, np.where(received, source.high, 0).max(1))
    return Range(low, high)


def _receives(incoming: Incoming, targets: int, graph: Graph) -> np.ndarray:
    connection = incoming.connection
    if isinstance(connection, ConvConnection):
        return connection.between_channels(connection.kernels != 0)
    sources = graph.source_shape(incoming)[0]
    return connection.between_channels(connection.matrix.data != 0, targets, sources)
