r"""Spikes of netx's layers before their first input arrives, and their effect on the first sample.

All layers of a netx network run from the first step on, and each block hands its spikes on one step later, so
layer k (1 is the first) runs k steps before the first step of the sample reaches it. With s the step of the
run, from 1, that is the step :math:`t = s - k` of the sample, from 1 too: the steps before are
:math:`t = 1 - k, \dots, 0`. The input is zero there, so only biases make neurons fire,

.. math::
    u[t] = \mathrm{rtz}\big(u[t-1]\,(4096 - d_u)\,2^{-12}\big) + 64 \sum_j w_j s_j[t - \delta_j], \qquad
    v[t] = \mathrm{rtz}\big(v[t-1]\,(4096 - d_v)\,2^{-12}\big) + u[t] + 64\, b, \qquad
    s[t] = v[t] > 64\, \Theta,

and v[t] = 0 after a spike. Netx's reset (``LIFReset`` with ``reset_interval`` T and ``reset_offset`` 1) sets
u and v to zero before the steps t = 1, 1 + T, 1 - T, ... of every layer. It does not reach what is under way:
a spike of step t with a delay of :math:`\delta` is added at step :math:`t + \delta`, and one through
recurrent synapses at t + 1. Where that is step 1 or later, the sample receives a spike that the graph does
not have. Without delays and recurrence every such spike arrives before the reset, and leaves nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deploy.errors import ExportError
from deploy.ir import INPUT, CubaLIF, Graph, Layer
from deploy.ir.connection import unrolled
from deploy.ir.delays import delayed
from deploy.ir.geometry import Shape
from deploy.ir.neurons.cuba_lif import fires_by_bias, step


@dataclass(frozen=True)
class Start:
    """The activity of a layer before its first input.

    Attributes
    ----------
    spikes : bool array of shape (k, neurons)
        Of its steps ``1 - k`` to 0.
    delayed_sums, recurrent_sums : int array of shape (steps, neurons)
        What spikes of before the sample add to its sums in its steps from 1 on, by the delays of its input
        and by its recurrent synapses.
    """

    spikes: np.ndarray
    delayed_sums: np.ndarray
    recurrent_sums: np.ndarray


def check_start(graph: Graph) -> None:
    """Prove that no spike of before the first input changes the sample.

    Parameters
    ----------
    graph : Graph
        A chain of spiking layers, each with one source and perhaps itself.

    Raises
    ------
    ExportError
        One does; the layer that receives it, the neuron that fires, its bias and the largest that would do
        are named.
    """
    carrying = [index for index, layer in enumerate(graph.layers) if _carries(layer)]
    if not carrying:
        return
    starts: list[Start] = []
    for layer in graph.layers[: carrying[-1] + 1]:
        starts.append(_start(graph, layer, starts[-1].spikes if starts else None))
        if starts[-1].delayed_sums.any() or starts[-1].recurrent_sums.any():
            raise ExportError(_message(graph, starts))


def bias_spikes(layer: Layer, steps: int) -> np.ndarray:
    """Spikes that a layer fires without any input, bool ``(steps, neurons)``, from a reset on."""
    return _fire(layer, np.zeros((steps, layer.size), np.int64), None, steps)


def _carries(layer: Layer) -> bool:
    """Whether spikes are under way to a layer for more than a step."""
    return layer.recurrent or any(incoming.delays is not None for incoming in layer.inputs)


def _start(graph: Graph, layer: Layer, before: np.ndarray | None) -> Start:
    """Run a layer up to its first input.

    Parameters
    ----------
    before : bool array of shape (k - 1, sources), or None
        Spikes of the layer before it; None for the first, which the input alone reaches.
    """
    steps = 1 if before is None else len(before) + 1
    sums = np.zeros((steps, layer.size), np.int64)
    late = np.zeros((0, layer.size), np.int64)
    own: sparse.csr_matrix | None = None
    for incoming in layer.inputs:
        if incoming.source == layer.name:
            own = unrolled(incoming.connection, layer.kept_shape)
        elif incoming.source != INPUT and before is not None and before.any():
            arrived = _arrivals(before, incoming.delays, graph.source_shape(incoming), graph.time_steps)
            # Its first step is one before the first of its source.
            all_sums = arrived @ unrolled(incoming.connection, graph.source_shape(incoming)).T
            sums[1:], late = all_sums[: steps - 1], all_sums[steps - 1 :]
    spikes = _fire(layer, sums, own, graph.time_steps)
    recurrent = spikes[-1:] @ own.T if own is not None else np.zeros((0, layer.size), np.int64)
    return Start(spikes, late, recurrent)


def _arrivals(before: np.ndarray, delays: np.ndarray | None, shape: Shape, steps: int) -> np.ndarray:
    """Spikes by the step at which they arrive, those that arrive within the sample among them."""
    flat = None if delays is None else np.broadcast_to(delays, shape).ravel()
    longest = 0 if flat is None else min(int(flat.max()), steps)
    timeline = np.pad(before.astype(np.int64), ((0, longest), (0, 0)))
    return delayed(timeline[None], flat)[0]


def _fire(layer: Layer, sums: np.ndarray, own: sparse.csr_matrix | None, interval: int) -> np.ndarray:
    """Spikes of the steps up to 0, for what arrives from the layer before."""
    bias = 0 if layer.bias is None else layer.neuron_bias
    current, voltage = np.zeros((2, layer.size), np.int64)
    spikes = np.zeros((len(sums), layer.size), bool)
    for index, arrived in enumerate(sums):
        if (index - len(sums)) % interval == 0:
            # The step 1 - interval, and those before it.
            current, voltage = np.zeros((2, layer.size), np.int64)
        if own is not None and index:
            arrived = arrived + own @ spikes[index - 1].astype(np.int64)
        current, voltage, spikes[index] = step(layer.neuron, current, voltage, arrived, bias)
    return spikes


def _message(graph: Graph, starts: list[Start]) -> str:
    index = len(starts) - 1
    layer, by_delay = graph.layers[index], starts[-1].delayed_sums.any()
    origin = index - 1 if by_delay else index
    # A layer may fire since one before it does: name one that fires by its own bias.
    firing = starts[origin].spikes.any(axis=0)
    while not (by_bias := firing & _excited(graph.layers[origin])).any():
        origin -= 1
        firing = starts[origin].spikes.any(axis=0)
    source, steps = graph.layers[origin], origin + 1
    neuron = int(np.argmax(by_bias))
    channel = source.kept[neuron * len(source.kept) // source.size]
    largest = _largest_silent_bias(source.neuron, min(steps, graph.time_steps))
    way, remove = "its recurrent synapses", "recurrence"
    if by_delay:
        way, remove = f"the delays from {graph.layers[index - 1].name}", "the Delay"
    return (
        f"{layer.name}: in netx {way} carry spikes into the sample that were sent before it: every layer runs"
        f" from the first step on, {source.name} {steps} {'step' if steps == 1 else 'steps'} without input,"
        f" in which its {'channel' if len(source.shape) > 1 else 'neuron'} {channel} fires by a bias of"
        f" {source.neuron_bias[neuron]} (at most {largest} would not); lower the bias, train with bias=False"
        f" or without {remove}, use NIR (.nir), or run the graph itself on Lava:"
        " deploy.run(graph, inputs, backend='lava')"
    )


def _excited(layer: Layer) -> np.ndarray:
    """The neurons with a positive bias."""
    return np.zeros(layer.size, bool) if layer.bias is None else layer.neuron_bias > 0


def _largest_silent_bias(neuron: CubaLIF, steps: int) -> int:
    """The largest bias with which a neuron does not fire by itself in so many steps."""
    silent, firing = 0, neuron.threshold + 1
    while firing - silent > 1:
        bias = (silent + firing) // 2
        (fires,) = fires_by_bias(neuron, np.array([bias]), steps)
        silent, firing = (silent, bias) if fires else (bias, firing)
    return silent
