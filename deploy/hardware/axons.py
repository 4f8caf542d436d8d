"""Input axons of a layer: which source neurons share one, and how late the synapses behind it are.

Each input of a layer has axons of its own. An axon is one source after pooling: sources in one pooling window
have the same synapses and share it, unless their delays differ.

A spike takes one step of the chip to the next layer. Where the sources of a layer are not equally many layers
from the input, what comes the shorter way waits for the other, in the delay of its synapses. The input comes
from off chip when it is needed, and a layer receives its own spikes one step later in any case: both need no
delay.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from deploy.ir import INPUT, Graph, Incoming, Layer
from deploy.ir.geometry import pooled_shape


@dataclass(frozen=True, eq=False)
class Axons:
    """Axons of one layer, those of one input after the other.

    Attributes
    ----------
    of_source : int64 array
        Axon of each source neuron, all sources one after the other; -1 for those in no pooling window.
    column : int64 array of shape (axons,)
        Which of the pooled sources, side by side, each stands for.
    delay : int64 array of shape (axons,)
        Steps that its synapses delay a spike on the chip.
    """

    of_source: np.ndarray
    column: np.ndarray
    delay: np.ndarray


def axons_of(graph: Graph, layer: Layer) -> Axons:
    """Axons of a layer."""
    depths = _depths(graph)
    of_source, column, delay = [], [], []
    axons = columns = 0
    for incoming in layer.inputs:
        waits = 0
        if incoming.source not in (INPUT, layer.name):
            waits = depths[layer.name] - 1 - depths[incoming.source]
        window = _windows(graph, incoming)
        pooled = prod(pooled_shape(graph.source_shape(incoming), incoming.connection.pool))
        if incoming.delays is None:
            own, own_column, own_delay = window, np.arange(pooled), np.zeros(pooled, np.int64)
        else:
            own, own_column, own_delay = _by_delay(window, incoming.delays.ravel().astype(np.int64))
        of_source.append(np.where(own < 0, -1, own + axons))
        column.append(own_column + columns)
        delay.append(own_delay + waits)
        axons, columns = axons + len(own_column), columns + pooled
    return Axons(*(np.concatenate(parts).astype(np.int64) for parts in (of_source, column, delay)))


def source_parts(graph: Graph, layer: Layer) -> list[tuple[str, slice]]:
    """Each source of a layer, and where its neurons are among those of all sources."""
    parts, first = [], 0
    for incoming in layer.inputs:
        size = prod(graph.source_shape(incoming))
        parts.append((incoming.source, slice(first, first + size)))
        first += size
    return parts


def _depths(graph: Graph) -> dict[str, int]:
    """Layers that the input passes through at most to each layer, itself included."""
    depths = {INPUT: 0}
    for layer in graph.layers:
        depths[layer.name] = 1 + max(
            (depths[source] for source in layer.sources if source != layer.name), default=0
        )
    return depths


def _windows(graph: Graph, incoming: Incoming) -> np.ndarray:
    """Pooling window of each source neuron, -1 for those in none."""
    source, pool = graph.source_shape(incoming), incoming.connection.pool
    pooled = pooled_shape(source, pool)
    index = np.arange(prod(pooled)).reshape(pooled)
    if pool == 1:
        return index.ravel()
    windows = np.full(source, -1, np.int64)
    height, width = pooled[1] * pool, pooled[2] * pool
    windows[:, :height, :width] = index.repeat(pool, axis=1).repeat(pool, axis=2)
    return windows.ravel()


def _by_delay(window: np.ndarray, delays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axon of each source neuron, and window and delay of each axon: one for each delay in a window."""
    inside = window >= 0
    pairs = np.stack([window[inside], delays[inside]], axis=1)
    distinct, axon = np.unique(pairs, axis=0, return_inverse=True)
    axons = np.full(len(window), -1, np.int64)
    axons[inside] = axon.ravel()
    return axons, distinct[:, 0], distinct[:, 1]
