"""The activity of each core in each step, counted from a recording."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deploy.hardware.axons import source_parts
from deploy.hardware.layer_mapping import LayerMapping
from deploy.hardware.mapping import Mapping
from deploy.ir import INPUT, Layer
from deploy.measurement.counts import inputs_of
from deploy.measurement.synapses import reached
from deploy.recording import Recording

MEMORY_BYTES = 64 << 20
"""Working memory that a batch of samples is chosen for."""


@dataclass(frozen=True, eq=False)
class StepCounts:
    """Counts of each core at each step: integer arrays ``(samples, steps, cores)``, but for ``neurons``.

    Attributes
    ----------
    neurons : array of shape (cores,)
        On each core, every one of which is updated in every step.
    updated : array
        Neurons that at least one spike reached; bias-driven updates are not counted.
    fired : array
        Neurons that spiked.
    sent, received : array
        Packets that left and that arrived; those of the input arrive too. Both count in the step in which
        the spike arrives, late where it is delayed or comes from the layer itself.
    synops : array
        Synaptic events.
    """

    neurons: np.ndarray
    updated: np.ndarray
    fired: np.ndarray
    sent: np.ndarray
    received: np.ndarray
    synops: np.ndarray


def count_steps(
    recording: Recording, mapping: Mapping, memory_bytes: int = MEMORY_BYTES
) -> Iterator[StepCounts]:
    """Counts of batches of samples, in the order of the recording.

    Index t of every layer belongs to one step, as in the recording. A graded input counts by its magnitude in
    packets and synaptic events.

    Parameters
    ----------
    recording : Recording
    mapping : Mapping
    memory_bytes : int
        Working memory to aim at; the counts do not depend on it.
    """
    steps = recording.inputs.shape[1]
    batch = max(1, memory_bytes // _bytes_a_sample(recording))
    neurons = np.zeros(mapping.cores, np.int64)
    for placed in mapping.layers.values():
        neurons += np.bincount(placed.core_of, minlength=mapping.cores)
    for part in recording.batches(batch):
        count = len(part.inputs)
        totals = np.zeros((5, mapping.cores, count * steps), np.int64)
        for layer in recording.graph.layers:
            _count_layer(part, layer, mapping, totals)
        shaped = np.moveaxis(totals.reshape(5, mapping.cores, count, steps), 1, -1)
        yield StepCounts(neurons, *shaped)


def _count_layer(recording: Recording, layer: Layer, mapping: Mapping, totals: np.ndarray) -> None:
    """Add what one layer does, and what its sources send to it, to ``totals``.

    Parameters
    ----------
    recording : Recording
    layer : Layer
    mapping : Mapping
    totals : int64 array of shape (5, cores, samples * steps)
        Rows of :class:`StepCounts` from ``updated`` on.
    """
    updated, fired, sent, received, synops = totals
    placed = mapping.layers[layer.name]
    cores = slice(placed.first_core, placed.first_core + placed.cores)
    arriving = inputs_of(recording, layer)
    on_core = _on_core(placed)
    updated[cores] = on_core @ _neurons_first(reached(layer, arriving))
    fired[cores] = on_core @ _neurons_first(recording.kept[layer.name])
    arrived = np.concatenate([_neurons_first(part) for part in arriving])
    synapses = placed.stored.T.tocsr()
    # Sources in one pooling window have the same synapses: their spikes are summed up first.
    inside = np.flatnonzero(placed.axon_of >= 0)
    windows = sparse.csr_matrix(
        (np.ones(len(inside), np.int64), (placed.axon_of[inside], inside)),
        shape=(placed.stored.shape[0], len(placed.axon_of)),
    )
    events = windows @ arrived
    received[cores] = synapses.sign() @ events
    synops[cores] = synapses @ events
    for source, part in source_parts(recording.graph, layer):
        if source != INPUT:
            origin = mapping.layers[source]
            leaves = arrived[part] * placed.target_cores[part, None]
            sent[origin.first_core : origin.first_core + origin.cores] += _on_core(origin) @ leaves


def _on_core(placed: LayerMapping) -> sparse.csr_matrix:
    """The core of each neuron of a layer, ``(cores, neurons)``."""
    where = (placed.core_of - placed.first_core, np.arange(placed.neurons))
    return sparse.csr_matrix((np.ones(placed.neurons, np.int64), where), shape=(placed.cores, placed.neurons))


def _neurons_first(activity: np.ndarray) -> np.ndarray:
    """``(neurons, samples * steps)`` int64, contiguous, as products of sparse matrices want it."""
    flat = activity.reshape(activity.shape[0] * activity.shape[1], -1)
    return np.ascontiguousarray(flat.T, np.int64)


def _bytes_a_sample(recording: Recording) -> int:
    # Sources, spikes and what reached the neurons in int64, with float32 and temporary copies of each.
    graph = recording.graph
    sizes = [layer.size for layer in graph.layers]
    sizes += [source_parts(graph, layer)[-1][1].stop for layer in graph.layers]
    return graph.time_steps * max(sizes) * 6 * 8
