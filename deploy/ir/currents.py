r"""Currents of a graph's spiking layers: proven bounds, observed bounds, and largest values of a run.

In units of synaptic sums a current stays below

.. math::
    g_u \max_j \max\Big(\sum_i m_i w_{ji}^+,\ \sum_i m_i w_{ji}^-\Big)

with :math:`m_i` the largest value that a source sends, its pool included, :math:`w^+, w^-` positive weights
and negative magnitudes, and :math:`g_u` the gain of the current (:func:`dpap.quantization.scaling.gains`).
Where that is below :math:`2^{17}`, no input makes Lava wrap it: the range is proven. Elsewhere it rests on
calibration samples, or on nothing, and every backend checks it while it runs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from deploy.ir import INPUT, Graph, Layer
from deploy.ir.connection import sums_by_sign, unrolled
from deploy.ir.delays import delayed_input
from deploy.ir.layer import spiking
from dpap.neurons.currents import Overflow
from dpap.neurons.parameters import DECAY_UNITY, STATE_LIMIT, STATE_SHIFT, SUM_LIMIT
from dpap.quantization.scaling import gains

_CLAIMS = {
    "proof": "for any input, by proof",
    "calibration": "for currents as in training or calibration",
    "check": "checked while running alone",
}


@dataclass(frozen=True)
class CurrentRange:
    """The bounds of the currents of a layer.

    Attributes
    ----------
    bound : int
        Largest magnitude that weights and inputs allow, in units of synaptic sums.
    observed : int or None
        Largest magnitude on calibration samples, at the graph's scale; None where there were none.
    limit : int
        What magnitudes must stay below: 2**17.
    """

    bound: int
    observed: int | None
    limit: int = SUM_LIMIT

    @property
    def basis(self) -> str:
        """``proof``, ``calibration``, or ``check`` where it rests on the check while running alone."""
        if self.bound < self.limit:
            return "proof"
        return "check" if self.observed is None else "calibration"

    @property
    def claim(self) -> str:
        """For which inputs currents stay in range, in words."""
        return _CLAIMS[self.basis]

    @property
    def headroom(self) -> float | None:
        """The limit over what was observed: how much larger currents than those may become."""
        return self.limit / self.observed if self.observed else None

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return asdict(self) | {"basis": self.basis, "headroom": self.headroom}


def current_ranges(graph: Graph) -> dict[str, CurrentRange]:
    """The bounds of each layer of spiking neurons."""
    return {
        layer.name: CurrentRange(current_bound(graph, layer), layer.observed_current)
        for layer in graph.layers
        if layer.neuron.bounded == "current"
    }


def current_bound(graph: Graph, layer: Layer) -> int:
    """Largest magnitude that a current of a layer can have, in units of synaptic sums."""
    return int(np.ceil(max(bound.max() for bound in signed_bounds(graph, layer))))


def signed_bounds(graph: Graph, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """How far the currents of each neuron can reach above and below zero, in units of synaptic sums.

    Returns
    -------
    positive, negative : float arrays of shape (neurons,)
        Magnitudes.
    """
    gain, _ = gains(DECAY_UNITY - spiking(layer).current_decay, 0, graph.time_steps)
    bounds = np.zeros((2, layer.size))
    for incoming in layer.inputs:
        largest = (graph.input_max if incoming.source == INPUT else 1) * incoming.connection.pool**2
        for bound, sums in zip(bounds, sums_by_sign(incoming.connection), strict=True):
            # The rows of a convolution are channels.
            bound += gain * largest * np.repeat(sums, layer.size // len(sums))
    return bounds[0], bounds[1]


def locate_overflow(
    graph: Graph, layer: Layer, activity: Mapping[str, np.ndarray], first_sample: int = 0
) -> Overflow | None:
    """The first current of a layer that leaves its range, for what its sources sent.

    Parameters
    ----------
    graph : Graph
    layer : Layer
        Of spiking neurons.
    activity : mapping of str to array of shape (N, T, ...)
        What the input and the layers sent, the layer itself included where it is recurrent.
    first_sample : int
        Number of the first of the samples.
    """
    matrices = [
        unrolled(incoming.connection, graph.source_shape(incoming)).astype(np.int64)
        for incoming in layer.inputs
    ]
    for sample in range(len(activity[layer.inputs[0].source])):
        sums = np.zeros((graph.time_steps, layer.size), np.int64)
        for index, (incoming, matrix) in enumerate(zip(layer.inputs, matrices, strict=True)):
            sent = np.asarray(activity[incoming.source][sample : sample + 1])
            arrived = delayed_input(layer, index, sent).reshape(graph.time_steps, -1)
            sums += (matrix @ arrived.T.astype(np.int64)).T
        current = np.zeros(layer.size, np.int64)
        for step, total in enumerate(sums):
            current = spiking(layer).unwrapped(current, total)
            outside = np.flatnonzero(np.abs(current) >= STATE_LIMIT)
            if len(outside):
                reached = int(current[outside[0]]) >> STATE_SHIFT
                return Overflow(first_sample + sample, step, layer.neuron_index(outside[0]), reached)
    return None
