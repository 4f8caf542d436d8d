r"""Sigma-delta units in the fast simulator: blocks of samples through all layers.

What is passed on are messages, int32 ``(T, neurons, lanes)``. The states of a layer are sums over what its
sources have sent so far, :math:`X`, so that none exceeds

.. math::
    |A| \le |b| + \max_j \sum_i |w_{ji}| \cdot \max_{i, t} |X_i[t]|

(Hölder). Where that, for the activations of the block at hand, leaves room in 32 bits, sums are of 32 bits;
elsewhere of 64, and checked to end within what Lava's states and messages hold.
"""

from dataclasses import dataclass

import numpy as np

from deploy.ir import INPUT, Graph, Layer, SigmaDelta
from deploy.ir.connection import sums_by_sign, unrolled
from deploy.ir.neurons.maximum import send_maxima
from deploy.ir.neurons.sigma_delta import send_changes
from deploy.simulator import kernels
from deploy.simulator.plan import Synapses, synapses_of
from dpap.neurons.activations import first_overflow, state_limit

NARROW_LIMIT = 1 << 30
"""States proven below this, and with them their changes, are computed in 32 bits."""


@dataclass(frozen=True, eq=False)
class UnitPlan:
    """A layer of sigma-delta units.

    Attributes
    ----------
    name : str
    neurons : int
    neuron : SigmaDelta
    inputs : tuple of Synapses
    norms : tuple of int
        For each of the inputs the largest sum of magnitudes of a unit's weights, its pool included.
    bias : int64 array of shape (neurons,)
    """

    name: str
    neurons: int
    neuron: SigmaDelta
    inputs: tuple[Synapses, ...]
    norms: tuple[int, ...]
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class MaximumPlan:
    """A layer of maxima.

    Attributes
    ----------
    name, source : str
    neurons : int
    indptr, sources : arrays
        The sources of each unit, in compressed sparse rows.
    """

    name: str
    source: str
    neurons: int
    indptr: np.ndarray
    sources: np.ndarray


def plan_messages(graph: Graph) -> tuple[UnitPlan | MaximumPlan, ...]:
    """Plans of all layers of a graph whose layers send changes, in their order."""
    return tuple(_plan_layer(graph, layer) for layer in graph.layers)


def run_messages(
    graph: Graph, layers: tuple[UnitPlan | MaximumPlan, ...], inputs: np.ndarray, first_sample: int = 0
) -> dict[str, np.ndarray]:
    """Messages of the input and of all layers for one block, int32 ``(T, neurons, lanes)``.

    Parameters
    ----------
    graph : Graph
    layers : tuple of plans
        Of the graph.
    inputs : int32 array of shape (T, inputs, lanes)
        Messages of the input.
    first_sample : int
        Number of the first lane's sample.

    Raises
    ------
    ActivationOverflow
        A state leaves what Lava holds.
    """
    activity = {INPUT: inputs}
    largest = {INPUT: int(np.abs(inputs.cumsum(0)).max(initial=0))}
    for layer in layers:
        messages = np.empty((len(inputs), layer.neurons, inputs.shape[2]), np.int32)
        if isinstance(layer, MaximumPlan):
            known = send_maxima(activity[layer.source], layer.indptr, layer.sources, messages)
        else:
            known = _run_units(graph[layer.name], layer, activity, largest, messages, first_sample)
        activity[layer.name], largest[layer.name] = messages, int(known)
    return activity


def _run_units(
    layer: Layer,
    plan: UnitPlan,
    activity: dict[str, np.ndarray],
    largest: dict[str, int],
    messages: np.ndarray,
    first_sample: int,
) -> int:
    bound = int(np.abs(plan.bias).max(initial=0)) + sum(
        norm * largest[synapses.source] for norm, synapses in zip(plan.norms, plan.inputs, strict=True)
    )
    sums = np.zeros(messages.shape, np.int32 if bound < NARROW_LIMIT else np.int64)
    for synapses in plan.inputs:
        _add(synapses, activity[synapses.source], sums)
    neuron = plan.neuron
    reached, known = send_changes(sums, plan.bias, neuron.threshold, neuron.shift, neuron.rectified, messages)
    if reached >= state_limit(neuron.shift):
        states = sums.cumsum(axis=0, dtype=np.int64) + plan.bias[:, None]
        check_states(layer, np.moveaxis(states, -1, 0), first_sample)
    return known


def check_states(layer: Layer, states: np.ndarray, first_sample: int) -> None:
    """Check the states of a layer of sigma-delta units.

    Parameters
    ----------
    layer : Layer
    states : int64 array of shape (N, T, neurons)
    first_sample : int
        Number of the first of the samples.

    Raises
    ------
    ActivationOverflow
        A state, or its change since the last message, leaves its range.
    """
    neuron = layer.neuron
    constants = neuron.threshold, neuron.shift, neuron.rectified
    found = first_overflow(states, *constants, layer.neuron_index, first_sample)
    if found is not None:
        raise found.error(layer.name)


def _add(synapses: Synapses, sent: np.ndarray, sums: np.ndarray) -> None:
    """Add what a source sent, in the steps at which it sent anything."""
    active = sent.reshape(len(sent), -1).any(axis=1)
    everything = bool(active.all())
    steps = [slice(None)] if everything else [slice(t, t + 1) for t in np.flatnonzero(active)]
    for step in steps:
        arriving, part = sent[step], sums[step]
        if synapses.pool > 1:
            pooled = np.empty((len(arriving), int(np.prod(synapses.pooled)), arriving.shape[2]), sums.dtype)
            kernels.sum_windows(arriving, synapses.shape, synapses.pool, pooled)
            arriving = pooled
        if synapses.stride is None:
            kernels.add_matrix(arriving, synapses.indptr, *synapses.entries, part)
        else:
            kernels.add_convolution(arriving, *synapses.convolution, part)


def _plan_layer(graph: Graph, layer: Layer) -> UnitPlan | MaximumPlan:
    if not layer.neuron.sums:
        (incoming,) = layer.inputs
        windows = unrolled(incoming.connection, graph.source_shape(incoming))
        return MaximumPlan(
            layer.name, incoming.source, layer.size, windows.indptr.astype(np.int64), windows.indices
        )
    norms = []
    for incoming in layer.inputs:
        positive, negative = sums_by_sign(incoming.connection)
        norms.append(int((positive + negative).max(initial=0)) * incoming.connection.pool**2)
    bias = layer.neuron_bias if layer.bias is not None else np.zeros(layer.size)
    return UnitPlan(
        name=layer.name,
        neurons=layer.size,
        neuron=layer.neuron,
        inputs=tuple(synapses_of(graph, incoming) for incoming in layer.inputs),
        norms=tuple(norms),
        bias=bias.astype(np.int64),
    )
