"""Counts of the inputs and the activity of each layer, in one pass over a recording, batch by batch.

Measuring, pricing, budgets and early exit all go by these counts. A recording may be larger than memory.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

import numpy as np

from deploy.ir import Graph, Layer
from deploy.ir.delays import delayed_inputs
from deploy.measurement.synapses import reached
from deploy.recording import Recording

BATCH = 64
"""Samples that are counted at once."""


@dataclass(frozen=True, eq=False)
class LayerCounts:
    """Totals of one layer over all samples and steps of a recording.

    What arrives late counts when it arrives; what would arrive after the last step of a sample does not.

    Attributes
    ----------
    sources : tuple of (str, slice)
        Each source, and where its neurons are among the source neurons.
    events : int64 array of shape (source neurons,)
        Arrivals from each source neuron: of the input, values (or messages of changes) other than zero.
    magnitude : int64 array of shape (source neurons,)
        The same with each counted by its magnitude.
    spikes : int64 array of the layer's ``kept_shape``
        Messages of each neuron other than zero.
    reached : int
        Neurons and steps in which at least one spike arrived.
    """

    sources: tuple[tuple[str, slice], ...]
    events: np.ndarray
    magnitude: np.ndarray
    spikes: np.ndarray
    reached: int


def count_activity(
    recording: Recording, layers: Collection[str] | None = None, batch: int = BATCH
) -> dict[str, LayerCounts]:
    """Count the inputs and the activity of each layer.

    Parameters
    ----------
    recording : Recording
        Of the layers and of their sources.
    layers : collection of str, optional
        Layers to count; by default all.
    batch : int
        Samples at once; the counts do not depend on it.
    """
    graph = recording.graph
    chosen = [layer for layer in graph.layers if layers is None or layer.name in layers]
    totals = {layer.name: _Totals(graph, layer) for layer in chosen}
    for part in recording.batches(batch):
        for total in totals.values():
            total.add(part)
    return {name: total.counts() for name, total in totals.items()}


def inputs_of(recording: Recording, layer: Layer) -> list[np.ndarray]:
    """The inputs of a layer by source, each ``(N, T, *kept shape)``."""
    return delayed_inputs(layer, np.asarray(recording.sent_inputs), recording.kept)


class _Totals:
    """The counts of one layer so far."""

    def __init__(self, graph: Graph, layer: Layer):
        self.layer = layer
        sizes = [prod(graph.source_shape(incoming)) for incoming in layer.inputs]
        stops = np.cumsum(sizes).tolist()
        parts = zip(layer.sources, sizes, stops, strict=True)
        self.sources = tuple((source, slice(stop - size, stop)) for source, size, stop in parts)
        self.events, self.magnitude = np.zeros((2, sum(sizes)), np.int64)
        self.spikes, self.reached = np.zeros(layer.kept_shape, np.int64), 0

    def add(self, recording: Recording) -> None:
        """Count a part that is in memory."""
        arriving = inputs_of(recording, self.layer)
        for part, (_, place) in zip(arriving, self.sources, strict=True):
            self.events[place] += np.count_nonzero(part, axis=(0, 1)).ravel()
            self.magnitude[place] += np.abs(part).sum(axis=(0, 1), dtype=np.int64).ravel()
        self.spikes += np.count_nonzero(recording.kept[self.layer.name], axis=(0, 1))
        self.reached += int(np.count_nonzero(reached(self.layer, arriving)))

    def counts(self) -> LayerCounts:
        return LayerCounts(self.sources, self.events, self.magnitude, self.spikes, self.reached)
