"""Prices for budgets of SynOps and of energy: each unit's share of an inference."""

import numpy as np

from deploy.budget.units import Units, by_channel
from deploy.hardware.result import CostSetEstimate, Estimate
from deploy.measurement.measurement import Measurement
from deploy.measurement.synapses import fan_out


def add_synops(units: Units, measurement: Measurement) -> None:
    """Give each synapse the effective SynOps that it carries in an inference."""
    for layer in measurement.graph.layers:
        units.add_synapses(layer.name, units.by_input(layer, _synops(measurement, layer)))


def add_energy(units: Units, measurement: Measurement, estimate: Estimate, costs: CostSetEstimate) -> None:
    """Give each unit its part of the dynamic energy of an inference, in joules.

    A layer's energy of synapses is divided by the synaptic events that each input causes, that of neurons
    equally, and that of messages and hops by the packets that each neuron sends. What is left, as packets of
    the input, belongs to no unit.
    """
    graph = measurement.graph
    kinds = costs.by_kind
    network_energy = sum(kinds.get(kind) or 0.0 for kind in ("messages", "hops"))
    sent = {}
    for layer in graph.layers:
        placed = estimate.mapping.get(layer.name)
        energies = costs.layers[layer.name]
        events = _synops(measurement, layer)
        if placed is not None:
            events = measurement.counts[layer.name].magnitude * placed.of_sources(
                np.asarray(placed.stored.sum(axis=1)).ravel()
            )
        events = units.by_input(layer, events)
        if events.any():
            units.add_synapses(layer.name, events * ((energies["synapses"] or 0.0) / events.sum()))
        kept = np.zeros(layer.shape[0])
        kept[layer.kept] = (energies["neurons"] or 0.0) / max(len(layer.kept), 1)
        units.add_neurons(layer.name, kept)
        spikes = measurement.counts[layer.name].spikes.ravel()
        sent[layer.name] = by_channel(layer, spikes * (1 if placed is None else placed.destinations))
    packets = sum(float(counts.sum()) for counts in sent.values())
    if estimate.traffic is not None:
        packets = max(packets, estimate.traffic.packets + estimate.traffic.input_packets)
    for name, counts in sent.items():
        if packets:
            units.add_neurons(name, counts * (network_energy / packets))


def _synops(measurement: Measurement, layer) -> np.ndarray:
    """Effective SynOps of each source neuron in an inference."""
    graph = measurement.graph
    arriving = measurement.counts[layer.name].events
    received = np.concatenate(
        [fan_out(incoming.connection, graph.source_shape(incoming)) for incoming in layer.inputs]
    )
    return arriving * received / measurement.samples
