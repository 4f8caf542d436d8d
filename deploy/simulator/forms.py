"""The weights of a layer's synapses in the forms that the dense and the event-driven kernels take.

Both store zeros. What a convolution shares are *places*: a source channel, and a row and column relative to
the target's position. A matrix has one place a source.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deploy.simulator.dense import GROUP
from deploy.simulator.event_driven import ROW
from deploy.simulator.plan import LayerPlan, Synapses


@dataclass(frozen=True, eq=False)
class Places:
    """All weights by place, zeros included.

    Attributes
    ----------
    places : int32 array
        Of a convolution ``(n, 3)``: source channel, row and column, by ascending channel; of a matrix
        ``(n,)``: sources that have a synapse.
    weights : int16 array of shape (n, targets)
        Targets are the channels of a convolution, the neurons of a matrix.
    """

    places: np.ndarray
    weights: np.ndarray


def count_places(layer: LayerPlan) -> tuple[int, int]:
    """Places and targets that share them, without making the weights."""
    (synapses,) = layer.inputs
    if synapses.stride is None:
        return int(np.count_nonzero(np.bincount(synapses.entries[0]))), layer.neurons
    (taps,) = synapses.entries
    return len(np.unique(taps[:, :3], axis=0)), len(synapses.indptr) - 1


def by_place(layer: LayerPlan) -> Places:
    """The weights of a layer with one source, by place."""
    (synapses,) = layer.inputs
    targets = len(synapses.indptr) - 1
    if synapses.stride is None:
        indices, data = synapses.entries
        used, place = np.unique(indices, return_inverse=True)
        matrix = sparse.csr_matrix((data, place, synapses.indptr), shape=(targets, len(used)))
        return Places(used.astype(np.int32), np.ascontiguousarray(matrix.toarray().T))
    (taps,) = synapses.entries
    places, place = np.unique(taps[:, :3], axis=0, return_inverse=True)
    weights = np.zeros((len(places), targets), np.int16)
    weights[place.ravel(), np.repeat(np.arange(targets), np.diff(synapses.indptr))] = taps[:, 3]
    return Places(places.astype(np.int32), weights)


def dense_arguments(layer: LayerPlan) -> tuple:
    """What a kernel of :mod:`deploy.simulator.dense` takes between the activity and the sums' type."""
    (synapses,) = layer.inputs
    found = by_place(layer)
    weights = np.ascontiguousarray(_padded(found.weights, GROUP).T)
    rest = layer.bias, layer.neuron
    if synapses.stride is None:
        return found.places, weights, *rest
    return synapses.pooled[1:], found.places, weights, synapses.stride, synapses.extent, *rest


def event_arguments(layer: LayerPlan) -> tuple:
    """The same for a kernel of :mod:`deploy.simulator.event_driven`."""
    (synapses,) = layer.inputs
    found = by_place(layer)
    rows = _padded(found.weights, ROW)
    bias = _padded_bias(layer, synapses, rows.shape[1])
    if synapses.stride is None:
        every = np.zeros((int(np.prod(synapses.pooled)), rows.shape[1]), np.int16)
        every[found.places] = rows
        return every, bias, layer.neuron
    counts = np.bincount(found.places[:, 0], minlength=synapses.pooled[0])
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    offsets = np.ascontiguousarray(found.places[:, 1:])
    return (
        synapses.pooled[1:],
        indptr,
        offsets,
        rows,
        synapses.stride,
        synapses.extent,
        bias,
        layer.neuron,
    )


def _padded(weights: np.ndarray, multiple: int) -> np.ndarray:
    return np.ascontiguousarray(np.pad(weights, ((0, 0), (0, -weights.shape[1] % multiple))))


def _padded_bias(layer: LayerPlan, synapses: Synapses, width: int) -> np.ndarray:
    """The biases as the event-driven kernel keeps its neurons: the channels of a position together."""
    channels = layer.neurons if synapses.stride is None else len(synapses.indptr) - 1
    by_channel = layer.bias.reshape(channels, -1)
    return _padded(np.ascontiguousarray(by_channel.T), width).ravel()
