r"""Check of recorded messages of sigma-delta units: sums that wrapped are reported.

Lava's states and sums have 32 bits. What leaves them wraps to the other sign without an error. A
recording shows: the state of a layer at every step is

.. math::
    A[t] = b + \sum_{t' \le t} W m[t'],

for the messages m of its sources. Layer by layer, those whose sources' messages are right have states that
this computes without bounds; where the states are within them, Lava's were these, and the layer's own
messages are right.
"""

import numpy as np

from deploy.ir import INPUT, Graph, Layer
from deploy.ir.connection import sums_by_sign, unrolled
from deploy.recording import Recording
from deploy.simulator.sigma_delta import check_states
from dpap.neurons.activations import state_limit

BATCH = 64
"""Samples at a time."""


def check_recorded_states(recording: Recording, first_sample: int = 0) -> None:
    """Check the states of every layer of a recording of all layers.

    Parameters
    ----------
    recording : Recording
    first_sample : int
        Number of the first of its samples.

    Raises
    ------
    ActivationOverflow
        A state, or its change since the last message, leaves the bits that Lava has for it.
    """
    graph = recording.graph
    for layer in graph.layers:
        if layer.neuron.bounded == "activation":
            _check_layer(graph, recording, layer, first_sample)


def _check_layer(graph: Graph, recording: Recording, layer: Layer, first_sample: int) -> None:
    received = [_known(recording, incoming.source) for incoming in layer.inputs]
    bias = layer.neuron_bias.astype(np.int64) if layer.bias is not None else np.zeros(layer.size, np.int64)
    limit, rectified = state_limit(layer.neuron.shift), layer.neuron.rectified
    if 2 * _bound(layer, received, bias) < limit:
        return
    matrices = [
        unrolled(incoming.connection, graph.source_shape(incoming)).astype(np.int64)
        for incoming in layer.inputs
    ]
    steps = graph.time_steps
    for start in range(0, len(recording.inputs), BATCH):
        parts = [known[start : start + BATCH] for known in received]
        rows = len(parts[0]) * steps
        states = bias + sum(
            (matrix @ part.reshape(rows, -1).T).T for matrix, part in zip(matrices, parts, strict=True)
        )
        largest = int(np.abs(states).max(initial=0))
        # A rectified unit's activations are from 0 to the limit, and so are their changes.
        if not (largest if rectified else 2 * largest) < limit:
            check_states(layer, states.reshape(-1, steps, layer.size), first_sample + start)


def _known(recording: Recording, source: str) -> np.ndarray:
    """Sums of what a source has sent by each step, int64 ``(N, T, ...)``."""
    sent = recording.sent_inputs if source == INPUT else recording.kept[source]
    return sent.cumsum(axis=1, dtype=np.int64)


def _bound(layer: Layer, received: list[np.ndarray], bias: np.ndarray) -> int:
    """An upper bound of the layer's states."""
    bound = int(np.abs(bias).max(initial=0))
    for incoming, known in zip(layer.inputs, received, strict=True):
        positive, negative = sums_by_sign(incoming.connection)
        norm = int((positive + negative).max(initial=0)) * incoming.connection.pool**2
        bound += norm * int(np.abs(known).max(initial=0))
    return bound
