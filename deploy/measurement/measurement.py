r"""Counts of a network's activity: spikes, synaptic operations, neuron updates.

A synaptic operation (SynOp) is one spike arriving at one synapse. With :math:`s_i` the spikes of source
neuron :math:`i` and :math:`f_i` the number of its synapses, :math:`\text{SynOps} = \sum_i s_i f_i`, exact
at the borders of convolutions, where a neuron has fewer synapses. There are two counts:

``synops_effective``
    Synapses with a weight other than zero: what runs.
``synops_dense``
    Every synapse of the layer as it was before pruning, zeros included: what the same spikes would cost in
    a mapping that stores all weights (as sinabs and KerasSpiking count).

The two belong to the layer that receives; those of the first layer are the input's own line. A graded input
spike counts once; ``synops_effective_unary`` counts it by its magnitude, as a chip without graded spikes
would have to send it. So do messages of sigma-delta units, which count as spikes where they are not zero.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass

import numpy as np

from deploy.ir import INPUT, Graph, Incoming, Layer
from deploy.ir.geometry import Shape, over_windows, pooled_shape
from deploy.measurement.counts import LayerCounts, count_activity
from deploy.measurement.synapses import fan_out
from deploy.recording import Recording
from dpap.errors import InputError
from dpap.errors.expected_objects import expect


@dataclass(frozen=True)
class LayerMeasurement:
    """Counts of one layer over all samples and steps of a recording.

    Attributes
    ----------
    name, source : str
        The layer, and where its synapses come from; several sources are joined by ``+``.
    neurons, neurons_original : int
        Neurons that run, and neurons before compaction.
    synapses, synapses_original : int
        Synapses with a weight other than zero between source and layer, and all before pruning (kernels
        unrolled and pools included).
    spikes : int
        Spikes that the layer emitted.
    firing_rate : float
        Spikes a neuron that runs, a step.
    events_in : int
        Spikes that arrived from the sources: for the input, values (or messages of changes) other than zero.
    synops_effective, synops_dense : int
        Synaptic operations in the layer's own synapses (see the module).
    synops_effective_unary : int
        The same with graded spikes counted by magnitude; equal for binary spikes.
    neuron_updates : int
        Neurons times steps.
    neuron_updates_with_input : int
        Of these, the updates in which at least one spike arrived.
    """

    name: str
    source: str
    neurons: int
    neurons_original: int
    synapses: int
    synapses_original: int
    spikes: int
    firing_rate: float
    events_in: int
    synops_effective: int
    synops_dense: int
    synops_effective_unary: int
    neuron_updates: int
    neuron_updates_with_input: int


@dataclass(frozen=True, eq=False)
class Measurement:
    """Counts of a recording.

    Attributes
    ----------
    recording : Recording
        What was counted.
    samples, time_steps : int
    layers : dict of str to LayerMeasurement
    counts : dict of str to LayerCounts
        What the measurement of each layer was worked out from, by neuron.
    """

    recording: Recording
    samples: int
    time_steps: int
    layers: dict[str, LayerMeasurement]
    counts: dict[str, LayerCounts]

    def __getitem__(self, name: str) -> LayerMeasurement:
        return self.layers[name]

    def __repr__(self) -> str:
        return (
            f"<Measurement of {self.samples} samples, T = {self.time_steps}: {self.total('spikes')} spikes,"
            f" {self.total('synops_effective')} SynOps in {', '.join(self.layers)}>"
        )

    @property
    def graph(self) -> Graph:
        """The graph that ran."""
        return self.recording.graph

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return {
            "samples": self.samples,
            "time_steps": self.time_steps,
            "layers": {name: asdict(layer) for name, layer in self.layers.items()},
        }

    def total(self, count: str, *, input_layer: bool = True) -> int:
        """Sum of one count over layers; ``input_layer=False`` leaves out what receives the input."""
        return sum(
            getattr(layer, count) for layer in self.layers.values() if input_layer or layer.source != INPUT
        )


def measure(graph: Graph, recording: Recording, layers: Collection[str] | None = None) -> Measurement:
    """Count spikes, synaptic operations and neuron updates of a recording, layer by layer.

    Parameters
    ----------
    graph : Graph
    recording : Recording
    layers : collection of str, optional
        Layers to measure; by default all. They and their sources must have been recorded.

    Raises
    ------
    InputError
        A layer or one of its sources was not recorded.
    """
    call = "deploy.measure(graph, recording)"
    expect(graph, Graph, "graph", call)
    expect(recording, Recording, "recording", call)
    chosen = [layer for layer in graph.layers if layers is None or layer.name in layers]
    for layer in chosen:
        missing = {layer.name, *layer.sources} - {INPUT, *recording.kept}
        if missing:
            names = ", ".join(sorted(missing))
            raise InputError(f"{layer.name} cannot be measured: {names} was not recorded; record it too")
    counts = count_activity(recording, [layer.name for layer in chosen])
    samples, steps = recording.inputs.shape[:2]
    found = {layer.name: _measured(graph, layer, counts[layer.name], samples, steps) for layer in chosen}
    return Measurement(recording, samples, steps, found, counts)


def from_input(measurement: Measurement, name: str) -> tuple[int, int]:
    """The operations of the network's input in one layer, whatever other sources the layer has.

    Returns
    -------
    tuple of two int
        Its share of ``events_in`` and of ``synops_effective``.
    """
    graph, layer, counts = measurement.graph, measurement.graph[name], measurement.counts[name]
    events = synops = 0
    for incoming, (source, place) in zip(layer.inputs, counts.sources, strict=True):
        if source == INPUT:
            arrived = counts.events[place]
            events += int(arrived.sum())
            synops += int(arrived @ fan_out(incoming.connection, graph.source_shape(incoming)))
    return events, synops


def _measured(graph: Graph, layer: Layer, counts: LayerCounts, samples: int, steps: int) -> LayerMeasurement:
    """The measurement of a layer, from its counts."""
    effective_fan_out = np.concatenate(
        [fan_out(incoming.connection, graph.source_shape(incoming)) for incoming in layer.inputs]
    )
    dense_fan_out = np.concatenate(
        [original_fan_out(layer, incoming, graph.source_shape(incoming)) for incoming in layer.inputs]
    )
    originally = sum(
        int(original_fan_out(layer, incoming, _original_shape(graph, incoming)).sum())
        for incoming in layer.inputs
    )
    updates, spikes = layer.size * samples * steps, int(counts.spikes.sum())
    return LayerMeasurement(
        name=layer.name,
        source="+".join(layer.sources),
        neurons=layer.size,
        neurons_original=int(np.prod(layer.shape)),
        synapses=int(effective_fan_out.sum()),
        synapses_original=originally,
        spikes=spikes,
        firing_rate=spikes / updates if updates else 0.0,
        events_in=int(counts.events.sum()),
        synops_effective=int(counts.events @ effective_fan_out),
        synops_dense=int(counts.events @ dense_fan_out),
        synops_effective_unary=int(counts.magnitude @ effective_fan_out),
        neuron_updates=updates,
        neuron_updates_with_input=counts.reached,
    )


def _original_shape(graph: Graph, incoming: Incoming) -> Shape:
    return graph.input_shape if incoming.source == INPUT else graph[incoming.source].shape


def original_fan_out(layer: Layer, incoming: Incoming, source: Shape) -> np.ndarray:
    """Synapses of each source neuron in the layer before pruning, zeros included.

    Parameters
    ----------
    layer : Layer
    incoming : Incoming
        One of its inputs.
    source : tuple of int
        Shape of the source neurons to count for.

    Returns
    -------
    int64 array, one element a source neuron
    """
    pool = incoming.connection.pool
    pooled = pooled_shape(source, pool)
    geometry = incoming.convolution
    if geometry is None:
        per_position = np.full(pooled, int(np.prod(layer.shape)), np.int64)
    else:
        channels, *outputs = layer.shape
        reach = [
            geometry.reached(axis, inputs, out)
            for axis, (inputs, out) in enumerate(zip(pooled[1:], outputs, strict=True))
        ]
        per_position = np.broadcast_to(channels // geometry.groups * np.outer(*reach), pooled)
    return over_windows(per_position, source, pool)
