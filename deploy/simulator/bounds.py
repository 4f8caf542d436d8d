r"""Whether 32 bits hold every state of a graph, whatever arrives.

Currents and voltages are sums shifted left by 6. With :math:`B` the largest magnitude of a sum, :math:`b`
that of a bias and :math:`g_u, g_v` the gains of current and voltage (:func:`dpap.quantization.gains`), no
state exceeds :math:`64\,(B\,g_v + b\,g_v / g_u)`. Where that is less than :math:`2^{31}`, 32 bits do. Where
it is not, the bounds that compilation proves, neuron by neuron and sign by sign
(:mod:`deploy.validation`), must hold: they keep every state within 24 bits. So 64 bits are never needed, and
a graph made by hand that would need them is refused.
"""

import numpy as np

from deploy.graph import Graph, Layer, Neuron
from deploy.validation import validate_graph
from dpap.errors import InputError
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT
from dpap.quantization import gains

STATE_BITS = 31
"""Of a 32-bit state, without its sign."""


def check_bounds(graph: Graph, bounds: dict[str, int]) -> None:
    """Prove that no state of any layer leaves 32 bits.

    Parameters
    ----------
    graph : Graph
    bounds : dict of str to int
        Largest magnitude of the sums of each layer, all sources together.

    Raises
    ------
    InputError
        A state could; the layer and its sum are named.
    """
    if all(_fits(layer, bounds[layer.name], graph.time_steps) for layer in graph.layers):
        return
    try:
        validate_graph(graph)
    except ValueError as error:
        raise InputError(
            f"the graph cannot be simulated exactly: {error}; make graphs with deploy.compile, which keeps"
            " the bounds"
        ) from error


def _fits(layer: Layer, bound: int, steps: int) -> bool:
    if not isinstance(layer.neuron, Neuron):
        return True
    keep = DECAY_UNITY - layer.neuron.current_decay, DECAY_UNITY - layer.neuron.voltage_decay
    current_gain, voltage_gain = gains(*keep, steps)
    bias = 0 if layer.bias is None else int(np.abs(layer.bias).max())
    largest = bound * voltage_gain + bias * voltage_gain / current_gain + layer.neuron.threshold
    return largest < 1 << (STATE_BITS - STATE_SHIFT)
