"""The mapping of a graph's neurons to the cores of Loihi 1.

Each layer of neurons (not the input) takes the least number of cores on which every core keeps within its
limits: neurons, input axons, output axons, and bits of synaptic memory. A first bound is ``max(ceil(N /
1024), ceil(input axons / 4096))``; then every limit is checked core by core, since splitting a layer neither
halves its input axons (all cores of a dense layer receive every source) nor quite its synaptic memory. A
neuron takes an output axon for each core that it has a synapse on, so that layers are placed from the last to
the first: the cores of what a layer sends to are known before its own.

Rules that are ours, the compilers of Loihi 1 being closed:

- A layer is split into equal contiguous ranges of neurons, channel by channel at each position, so that
  neighbours in an image stay together: a core then receives a part of the image and not all of it.
- Layers are placed on consecutive cores in the order of the graph; no core holds neurons of two layers.
- Sources in one pooling window have the same synapses and share one input axon (several neurons may send to
  one axon of a core: nengo-loihi's decode neurons do), unless their delays differ. Each input of a layer has
  axons of its own, so that a neuron that is two sources of a layer sends it two packets.
- A neuron of a recurrent layer takes output axons to its own layer's cores, too: what they are is counted for
  every number of cores that is tried.
"""

from dataclasses import dataclass, replace

import numpy as np

from deploy.errors import HardwareError
from deploy.hardware.axons import axons_of, source_parts
from deploy.hardware.layer_mapping import (
    INPUT_AXONS,
    NEURONS,
    OUTPUT_AXONS,
    SYNAPSE_MEMORY,
    LayerMapping,
)
from deploy.hardware.mesh import tiles_used
from deploy.hardware.placed_synapses import placed_synapses
from deploy.hardware.placement import Oversized, Placement
from deploy.hardware.structure import Loihi1Structure, SynapseFormat
from deploy.ir import Graph, Layer


@dataclass(frozen=True, eq=False)
class Mapping:
    """Cores of a graph.

    Attributes
    ----------
    layers : dict of str to LayerMapping
        In the order of the graph.
    cores, tiles, chips : int
        In use.
    """

    layers: dict[str, LayerMapping]
    cores: int
    tiles: int
    chips: int


def map_graph(
    graph: Graph,
    structure: Loihi1Structure,
    layout: SynapseFormat,
    oversized: Oversized = "refuse",
    cores: dict[str, int] | None = None,
) -> Mapping:
    """Place a graph on cores (see the module).

    Parameters
    ----------
    graph : Graph
    structure : Loihi1Structure
    layout : SynapseFormat
    oversized : str
        What to do with a layer one neuron of which needs more than a core has: ``refuse`` it, or ``place``
        one neuron a core as if it fitted. Too many input axons alone never refuse.
    cores : dict of str to int, optional
        Cores that each layer is spread over, if it has so many neurons, in place of the least that hold it.

    Raises
    ------
    PlacementError
        A single neuron needs more than a core has, and that is refused.
    HardwareError
        A layer's neurons send graded messages, or are of a kind that Loihi 1 does not have.
    """
    for layer in graph.layers:
        if not layer.neuron.reference:
            lacks = "binary spikes only" if graph.activity.graded else "no such compartment"
            sends = "which send graded messages; " if graph.activity.graded else ""
            raise HardwareError(
                f"{layer.name} has {layer.neuron.kind} units, {sends}Loihi 1 has {lacks}, and no costs"
                " of such units on it are published: choose a target that is known by its operations, such as"
                " loihi2 or cmos45_int8"
            )
    placed: dict[str, LayerMapping] = {}
    destinations = {layer.name: np.zeros(layer.size, np.int64) for layer in graph.layers}
    for layer in reversed(graph.layers):
        given = None if cores is None else min(cores[layer.name], layer.size)
        mapping = _place(graph, layer, destinations[layer.name], structure, layout, oversized, given)
        placed[layer.name] = mapping
        for source, part in source_parts(graph, layer):
            # What a layer sends to itself is in its own mapping.
            if source in destinations and source != layer.name:
                destinations[source] += mapping.target_cores[part]
    layers, first = {}, 0
    for layer in graph.layers:
        mapping = placed[layer.name]
        layers[layer.name] = replace(mapping, first_core=first, core_of=mapping.core_of + first)
        first += mapping.cores
    chips = -(-first // structure.cores_per_chip.whole)
    return Mapping(layers, cores=first, tiles=tiles_used(first, structure), chips=chips)


def _place(
    graph: Graph,
    layer: Layer,
    destinations: np.ndarray,
    structure: Loihi1Structure,
    layout: SynapseFormat,
    oversized: Oversized,
    cores: int | None,
) -> LayerMapping:
    """Place a layer in the encoding of the fewest cores, then of the least memory, then the plainer."""
    limits = {
        NEURONS: structure.neurons_per_core.whole,
        SYNAPSE_MEMORY: structure.synapse_words_per_core.whole * layout.word_bits.whole,
        INPUT_AXONS: structure.input_axons_per_core.whole,
        OUTPUT_AXONS: structure.output_axons_per_core.whole,
    }
    axons = axons_of(graph, layer)
    own = [part for source, part in source_parts(graph, layer) if source == layer.name]
    loops = [axons.of_source[part] for part in own]
    placements = [
        Placement(layer, synapses, destinations, loops, limits, oversized, cores)
        for synapses in placed_synapses(graph, layer, axons, layout)
    ]
    best = min(placements, key=lambda placement: (placement.cores, placement.usage[SYNAPSE_MEMORY].max()))
    return best.mapping(axons)
