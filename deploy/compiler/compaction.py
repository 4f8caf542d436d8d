"""Compaction: removal of synapses, channels and neurons that cannot change the output.

A channel (a neuron, in a flat layer) is *silent* if nothing can lift it over its threshold: here, if it has
no positive incoming weight from a source that is not silent, and its bias alone does not make it fire.
Sigma-delta units are silent where no input can bring them to their threshold
(:mod:`deploy.compiler.activation_ranges`); one whose bias alone does stays, and sends a constant once. A
channel is
*without fan-out* if no synapse leads from it to anything that is kept. Both are removed, from both sides. The
output layer keeps its shape, and a layer that would be empty keeps one channel, so that every backend has
something to run.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from deploy.compiler.activation_ranges import silent_channels
from deploy.ir import INPUT, ConvConnection, Graph, Incoming, Layer
from deploy.ir.currents import signed_bounds
from deploy.ir.encoding import Encoding, encode
from deploy.ir.layer import spiking
from dpap.neurons.parameters import SUM_LIMIT

Pairs = list[tuple[np.ndarray, np.ndarray]]
"""For each input of a layer: which pairs of (target, source) channels have a positive weight, and any."""


def compact(graph: Graph, encodings: Mapping[str, Encoding] | None = None) -> Graph:
    """The same network without what cannot change its output.

    Every kept neuron spikes as before. Removed ones are silent for any input, except those that each layer
    lists as ``without_fan_out`` (``graph.removed`` lists all).

    Parameters
    ----------
    graph : Graph
    encodings : mapping of str to str, optional
        How the convolutions of a layer are stored (:func:`deploy.ir.encoding.encode`); by default in
        whichever way is smaller.
    """
    encodings = encodings or {}
    pairs = {layer.name: _by_channel(layer, graph) for layer in graph.layers}
    silent = silent_channels(graph) if graph.activity.graded else _all_silent(graph, pairs)
    alive: dict[str, np.ndarray] = {}
    for layer in reversed(graph.layers):
        alive[layer.name] = _kept_channels(layer, graph, pairs, alive, silent[layer.name])
    return replace(
        graph,
        layers=tuple(
            _compacted(layer, graph, alive, silent[layer.name], encodings.get(layer.name, "smaller"))
            for layer in graph.layers
        ),
    )


def _compacted(
    layer: Layer, graph: Graph, alive: dict[str, np.ndarray], silent: np.ndarray, encoding: Encoding
) -> Layer:
    kept = alive[layer.name]
    inputs = []
    for incoming in layer.inputs:
        shape = graph.source_shape(incoming)
        sources = alive.get(incoming.source, np.ones(shape[0], bool))
        connection = incoming.connection.select(kept, sources)
        delays = None if incoming.delays is None else _needed(incoming.delays[sources])
        kept_shape = (int(sources.sum()), *shape[1:])
        inputs.append(replace(incoming, connection=encode(connection, kept_shape, encoding), delays=delays))
    return replace(
        layer,
        kept=layer.kept[kept],
        without_fan_out=np.concatenate([layer.without_fan_out, layer.kept[~kept & ~silent]]),
        inputs=tuple(inputs),
        bias=None if layer.bias is None or not layer.bias[kept].any() else layer.bias[kept],
    )


def _needed(delays: np.ndarray) -> np.ndarray | None:
    return delays if delays.any() else None


def _by_channel(layer: Layer, graph: Graph) -> Pairs:
    return [_pairs(incoming, len(layer.kept), graph) for incoming in layer.inputs]


def _pairs(incoming: Incoming, targets: int, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    connection = incoming.connection
    sources = graph.source_shape(incoming)[0]
    if isinstance(connection, ConvConnection):
        return (
            connection.between_channels(connection.kernels > 0),
            connection.between_channels(connection.kernels != 0),
        )
    weights = connection.matrix.data
    positive, present = (
        connection.between_channels(condition, targets, sources) for condition in (weights > 0, weights != 0)
    )
    return positive, present


def _all_silent(graph: Graph, pairs: dict[str, Pairs]) -> dict[str, np.ndarray]:
    silent: dict[str, np.ndarray] = {}
    for layer in graph.layers:
        silent[layer.name] = _silent(layer, pairs[layer.name], silent, graph)
    return silent


def _silent(layer: Layer, pairs: Pairs, silent: dict[str, np.ndarray], graph: Graph) -> np.ndarray:
    """Channels that no input can make fire; a silent source is as good as none.

    A negative current that can leave its range may come back as a positive one, where it is let wrap.
    """
    _, negative = signed_bounds(graph, layer)
    fires = _fires_by_bias(layer, graph.time_steps)
    fires |= (negative.reshape(len(layer.kept), -1) >= SUM_LIMIT).any(1)
    feedback = None
    for incoming, (positive, _) in zip(layer.inputs, pairs, strict=True):
        if incoming.source == layer.name:
            feedback = positive
        elif incoming.source == INPUT:
            fires |= positive.any(1)
        else:
            fires |= positive[:, ~silent[incoming.source]].any(1)
    while feedback is not None:
        spread = fires | feedback[:, fires].any(1)
        if (spread == fires).all():
            break
        fires = spread
    return ~fires


def _fires_by_bias(layer: Layer, steps: int) -> np.ndarray:
    """Channels whose bias alone lifts them over the threshold within an inference.

    A negative sum only lowers a voltage, so the voltage without any input is the highest that inhibition
    leaves.
    """
    if layer.bias is None:
        return np.zeros(len(layer.kept), bool)
    return spiking(layer).fires_by_bias(layer.bias, steps)


def _kept_channels(
    layer: Layer,
    graph: Graph,
    pairs: dict[str, Pairs],
    alive: dict[str, np.ndarray],
    silent: np.ndarray,
) -> np.ndarray:
    """Channels that are kept: not silent, and with a synapse to something that is kept."""
    if layer is graph.output:
        return np.ones(len(layer.kept), bool)
    received = np.zeros(len(layer.kept), bool)
    feedback = None
    for target in graph.layers:
        for incoming, (_, present) in zip(target.inputs, pairs[target.name], strict=True):
            if incoming.source != layer.name:
                continue
            if target is layer:
                feedback = present
            else:
                received |= present[alive[target.name]].any(0)
    received &= ~silent
    if not received.any():
        # Whatever stays here is cut off from the output; a channel without synapses is the plainest.
        received[np.argmax(silent)] = True
    while feedback is not None:
        spread = received | (feedback[received].any(0) & ~silent)
        if (spread == received).all():
            break
        received = spread
    return received
