"""What each core does in each step, counted from a recording."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deploy.graph import Layer
from deploy.hardware.mapping import LayerMapping, Mapping
from deploy.measurement import source_activity
from deploy.recording import Recording
from deploy.synapses import reached

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
        Neurons that at least one spike reached.
    fired : array
        Neurons that spiked.
    sent, received : array
        Packets that left and that arrived; those of the input arrive too.
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
    samples, steps = recording.inputs.shape[:2]
    batch = max(1, memory_bytes // _bytes_a_sample(recording))
    neurons = np.zeros(mapping.cores, np.int64)
    for placed in mapping.layers.values():
        neurons += np.bincount(placed.core_of, minlength=mapping.cores)
    for start in range(0, samples, batch):
        chosen = slice(start, start + batch)
        count = min(batch, samples - start)
        totals = np.zeros((5, mapping.cores, count * steps), np.int64)
        for layer in recording.graph.layers:
            placed = mapping.layers[layer.name]
            cores = slice(placed.first_core, placed.first_core + placed.cores)
            arriving = source_activity(recording, layer)[chosen]
            spikes = recording.kept[layer.name][chosen]
            totals[:, cores] = _count_layer(layer, placed, arriving, spikes)
        shaped = np.moveaxis(totals.reshape(5, mapping.cores, count, steps), 1, -1)
        yield StepCounts(neurons, *shaped)


def _count_layer(layer: Layer, placed: LayerMapping, arriving: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """Rows of :class:`StepCounts` for one layer's cores, ``(5, cores, samples * steps)``."""
    on_core = sparse.csr_matrix(
        (
            np.ones(placed.neurons, np.int64),
            (placed.core_of - placed.first_core, np.arange(placed.neurons)),
        ),
        shape=(placed.cores, placed.neurons),
    )
    synapses = placed.stored.T.tocsr()
    routes = synapses.sign()
    # Sources in one pooling window have the same synapses: their spikes are summed up first.
    inside = np.flatnonzero(placed.axon_of >= 0)
    windows = sparse.csr_matrix(
        (np.ones(len(inside), np.int64), (placed.axon_of[inside], inside)),
        shape=(placed.stored.shape[0], len(placed.axon_of)),
    )
    events, fired = windows @ _neurons_first(arriving), _neurons_first(spikes)
    return np.stack(
        [
            on_core @ _neurons_first(reached(layer, arriving)),
            on_core @ fired,
            on_core @ (fired * placed.destinations[:, None]),
            routes @ events,
            synapses @ events,
        ]
    )


def _neurons_first(activity: np.ndarray) -> np.ndarray:
    """``(neurons, samples * steps)`` int64, contiguous, as products of sparse matrices want it."""
    flat = activity.reshape(activity.shape[0] * activity.shape[1], -1)
    return np.ascontiguousarray(flat.T, np.int64)


def _bytes_a_sample(recording: Recording) -> int:
    # Sources, spikes and what reached the neurons in int64, with float32 and temporary copies of each.
    sizes = [int(np.prod(recording.graph.input_shape))]
    sizes += [layer.size for layer in recording.graph.layers]
    return recording.graph.time_steps * max(sizes) * 6 * 8
