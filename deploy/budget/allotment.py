r"""Prices for a budget of cores: the cores that each layer is to give up, and the units that free them.

As long as there are too many, a core is taken from the layer that has to lose the least for it: placed on one
core less, its fullest core has :math:`o` times what a core holds of some resource, so that a share
:math:`1 - 1 / o` of what takes it has to go. What takes it is

==================  =============================================================================
neurons             the layer's own neurons
synaptic memory     its synapses
input axons         the neurons of its sources; with the network's input as its only source, its synapses
output axons        the layer's own neurons
==================  =============================================================================

A layer that is to come down to :math:`a` cores fills :math:`a\,o` of them, and each of the units that have to
go is priced by its equal share of that. A layer that gives up none has no price, and nothing in it
is pruned for the budget.
"""

from deploy.budget.units import Units
from deploy.hardware.config import Hardware
from deploy.hardware.layer_mapping import INPUT_AXONS, SYNAPSE_MEMORY, LayerMapping
from deploy.hardware.mapping import Mapping, map_graph
from deploy.ir import Graph

CORES_AT_A_TIME = 16
"""Part of the surplus cores, one in so many, that a layer gives up before the layers are compared again."""


def add_cores(units: Units, graph: Graph, target: Hardware, mapping: Mapping, limit: int) -> float:
    """Price the units whose removal frees cores; see the module.

    Parameters
    ----------
    units : Units
        Are given their prices, in cores.
    graph : Graph
    target : Hardware
        On whose cores neurons are placed.
    mapping : Mapping
        Of the graph, on the least cores.
    limit : int
        Cores that there may be.

    Returns
    -------
    float
        Cores of the layers that have no price.
    """
    allotted = allot(units, graph, target, mapping, limit)
    squeezed = _placed(graph, target, allotted)
    fixed = 0.0
    for layer in graph.layers:
        cores = allotted[layer.name]
        resource, overflow = _fullest(squeezed.layers[layer.name])
        if cores == mapping.layers[layer.name].cores or overflow <= 1:
            fixed += cores
            continue
        neurons, synapses = units_on(units, layer, resource)
        filled = cores * overflow
        if synapses is None:
            units.share_neurons(neurons, filled)
        else:
            units.share_synapses(synapses, filled)
    return fixed


def allot(units: Units, graph: Graph, target: Hardware, mapping: Mapping, limit: int) -> dict[str, int]:
    """Cores that each layer is to come down to, no more than ``limit`` together if that can be.

    A layer keeps one core, and all that it has where none of the units that would have to go may be pruned.
    """
    allotted = {name: placed.cores for name, placed in mapping.layers.items()}
    stuck: set[str] = set()
    while (surplus := sum(allotted.values()) - limit) > 0:
        step = 1 + (surplus - 1) // CORES_AT_A_TIME
        fewer = {name: max(1, cores - step) for name, cores in allotted.items()}
        squeezed = _placed(graph, target, fewer)
        candidates = {}
        for layer in graph.layers:
            name = layer.name
            if allotted[name] == fewer[name] or name in stuck:
                continue
            resource, overflow = _fullest(squeezed.layers[name])
            neurons, synapses = units_on(units, layer, resource)
            if units.can_be_pruned((*neurons, *(() if synapses is None else (synapses,)))):
                candidates[name] = overflow
            else:
                stuck.add(name)
        if not candidates:
            break
        least = min(candidates, key=candidates.get)
        allotted[least] = fewer[least]
    return allotted


def units_on(units: Units, layer, resource: str) -> tuple[tuple[str, ...], str | None]:
    """Layers whose neurons take a resource of a layer's cores, and the layer whose synapses do, if any."""
    sources = units.sources(layer)
    if layer.name not in units.blocks:
        return units.owners(layer.name), None
    if resource == SYNAPSE_MEMORY or (resource == INPUT_AXONS and not sources):
        # Synapses go with the neurons on either side, too.
        return (layer.name, *sources), layer.name
    return (sources if resource == INPUT_AXONS else (layer.name,)), None


def _placed(graph: Graph, target: Hardware, cores: dict[str, int]) -> Mapping:
    return map_graph(graph, target.structure, target.synapse_format, "place", cores)


def _fullest(placed: LayerMapping) -> tuple[str, float]:
    """The resource that is shortest on a layer's fullest core, over what there is; not axons past helping."""
    ratios = placed.utilisation
    if placed.fan_in > placed.limits[INPUT_AXONS]:
        del ratios[INPUT_AXONS]
    name = max(ratios, key=ratios.get)
    return name, ratios[name]
