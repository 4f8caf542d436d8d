"""Which cores of Loihi 1 a graph's neurons are placed on.

Each layer of neurons (not the input) takes the least number of cores on which every core keeps within its
limits: neurons, input axons, output axons, and bits of synaptic memory. A first bound is ``max(ceil(N /
1024), ceil(input axons / 4096))``; then every limit is checked core by core, since splitting a layer neither
halves its input axons (all cores of a dense layer hear every source) nor quite its synaptic memory. A neuron
takes an output axon for each core that it has a synapse on, so that layers are placed from the last to the
first: the cores of what a layer sends to are known before its own.

Rules that are ours, the compilers of Loihi 1 being closed:

- A layer is split into equal contiguous ranges of neurons, channel by channel at each position, so that
neighbours
  in an image stay together: a core then hears a part of the image and not all of it.
- Layers lie on consecutive cores in the order of the graph; no core holds neurons of two layers.
- Sources in one pooling window have the same synapses and share one input axon (several neurons may send to
one
  axon of a core: nengo-loihi's decode neurons do).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from deploy.errors import HardwareError
from deploy.graph import Graph, Layer
from deploy.graph.connection import pooled_shape, unrolled
from deploy.hardware.mesh import tiles_used
from deploy.hardware.structure import Loihi1Structure, SynapseFormat
from deploy.hardware.synapse_memory import DENSE, core_bits, encodings_of

NEURONS, SYNAPSE_MEMORY = "neurons", "synapse memory"
INPUT_AXONS, OUTPUT_AXONS = "input axons", "output axons"


@dataclass(frozen=True, eq=False)
class LayerMapping:
    """Cores of one layer.

    Attributes
    ----------
    encoding : str
        Of its synapses: ``dense``, ``sparse`` or ``convolution``.
    neurons, cores, first_core : int
        Its cores are ``first_core`` to ``first_core + cores - 1``, counted through all chips.
    limited_by : str
        What would be too full with one core less: ``neurons``, ``synapse memory``, ``input axons`` or
        ``output axons``; the neurons where they would be, and else the fullest. With one core, what is
        fullest on it.
    usage : dict of str to int
        What the fullest core has of each, synaptic memory in bits.
    utilisation : dict of str to float
        The same over the limit; at most 1 where the layer fits.
    fits : bool
        Whether all cores keep within their limits. A neuron that hears more sources than a core has input
        axons fits nowhere.
    core_of : int64 array
        Core of each neuron, in the graph's order.
    synapses_on : int64 csr_matrix of shape (source neurons, cores)
        Stored synapses of each source neuron on each of the layer's cores, zeros of a dense list included.
    destinations : int64 array
        Cores that each neuron of the layer sends its spikes to.
    """

    encoding: str
    neurons: int
    cores: int
    first_core: int
    limited_by: str
    usage: dict[str, int]
    utilisation: dict[str, float]
    fits: bool
    core_of: np.ndarray
    synapses_on: sparse.csr_matrix
    destinations: np.ndarray

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON; the arrays are left out."""
        fields = ("encoding", "neurons", "cores", "first_core", "limited_by", "usage", "utilisation", "fits")
        return {field: getattr(self, field) for field in fields}


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


def map_graph(graph: Graph, structure: Loihi1Structure, layout: SynapseFormat) -> Mapping:
    """Place a graph on cores (see the module).

    Raises
    ------
    HardwareError
        A single neuron needs more than a core has, of something other than input axons.
    """
    placed: dict[str, LayerMapping] = {}
    destinations = {layer.name: np.zeros(layer.size, np.int64) for layer in graph.layers}
    for layer in reversed(graph.layers):
        placed[layer.name] = _place(graph, layer, destinations[layer.name], structure, layout)
        if layer.source in destinations:
            destinations[layer.source] += placed[layer.name].synapses_on.getnnz(axis=1)
    layers, first = {}, 0
    for layer in graph.layers:
        mapping = placed[layer.name]
        layers[layer.name] = replace(mapping, first_core=first, core_of=mapping.core_of + first)
        first += mapping.cores
    chips = -(-first // structure.cores_per_chip.whole)
    return Mapping(layers, cores=first, tiles=tiles_used(first, structure), chips=chips)


def split(neurons: int, cores: int) -> np.ndarray:
    """Bounds of equal contiguous ranges, int64 ``(cores + 1,)``; the first take one more if need be."""
    each, more = divmod(neurons, cores)
    sizes = np.full(cores, each, np.int64)
    sizes[:more] += 1
    return np.concatenate([[0], np.cumsum(sizes)])


def placement_order(layer: Layer) -> np.ndarray:
    """Neurons in the order in which they are dealt to cores: by position, all channels of each in turn."""
    index = np.arange(layer.size)
    if len(layer.kept_shape) == 1:
        return index
    return np.moveaxis(index.reshape(layer.kept_shape), 0, -1).ravel()


def _place(
    graph: Graph,
    layer: Layer,
    destinations: np.ndarray,
    structure: Loihi1Structure,
    layout: SynapseFormat,
) -> LayerMapping:
    """Place a layer in the encoding of the fewest cores, then of the least memory, then the plainer."""
    placed = [
        _place_encoded(graph, layer, encoding, destinations, structure, layout)
        for encoding in encodings_of(layer.connection)
    ]
    return min(placed, key=lambda mapping: (mapping.cores, mapping.usage[SYNAPSE_MEMORY]))


def _place_encoded(
    graph: Graph,
    layer: Layer,
    encoding: str,
    destinations: np.ndarray,
    structure: Loihi1Structure,
    layout: SynapseFormat,
) -> LayerMapping:
    source, order = graph.source_shape(layer), placement_order(layer)
    # Sources of a pooling window share an axon: one column each.
    axons = unrolled(replace(layer.connection, pool=1), pooled_shape(source, layer.connection.pool))[order]
    limits = {
        NEURONS: structure.neurons_per_core.whole,
        SYNAPSE_MEMORY: structure.synapse_words_per_core.whole * layout.word_bits.whole,
        INPUT_AXONS: structure.input_axons_per_core.whole,
        OUTPUT_AXONS: structure.output_axons_per_core.whole,
    }
    known: dict[int, dict[str, int]] = {}

    def ratios(cores: int) -> dict[str, float]:
        if cores not in known:
            bounds = split(layer.size, cores)
            known[cores] = _fullest_core(axons, encoding, layout, destinations[order], bounds)
        return {name: known[cores][name] / limit for name, limit in limits.items()}

    heard = int(np.count_nonzero(axons.getnnz(axis=0)))
    low = min(layer.size, max(-(-layer.size // limits[NEURONS]), -(-heard // limits[INPUT_AXONS])))
    hears_too_many = int(axons.getnnz(axis=1).max()) > limits[INPUT_AXONS]
    binding = [name for name in limits if name != INPUT_AXONS or not hears_too_many]
    cores = _fewest(lambda n: all(ratios(n)[name] <= 1 for name in binding), low, layer.size)
    if cores is None:
        name = max(binding, key=ratios(layer.size).get)
        needed = known[layer.size][name]
        raise HardwareError(f"{layer.name}: one neuron needs {needed} {name}; a core has {limits[name]}")
    utilisation = ratios(cores)
    core_of = np.empty(layer.size, np.int64)
    core_of[order] = np.repeat(np.arange(cores), np.diff(split(layer.size, cores)))
    return LayerMapping(
        encoding=encoding,
        neurons=layer.size,
        cores=cores,
        first_core=0,
        limited_by=_limited_by(layer.size, cores, limits[NEURONS], ratios),
        usage=known[cores],
        utilisation=utilisation,
        fits=all(ratio <= 1 for ratio in utilisation.values()),
        core_of=core_of,
        synapses_on=_synapses_on(unrolled(layer.connection, source), encoding, core_of, cores),
        destinations=destinations,
    )


def _limited_by(neurons: int, cores: int, limit: int, ratios: Callable[[int], dict[str, float]]) -> str:
    if cores > 1 and neurons > limit * (cores - 1):
        return NEURONS
    before = ratios(max(1, cores - 1))
    return max(before, key=before.get)


def _fullest_core(
    axons: sparse.csr_matrix,
    encoding: str,
    layout: SynapseFormat,
    destinations: np.ndarray,
    bounds: np.ndarray,
) -> dict[str, int]:
    """Most of each resource on any core, for neurons in the order of placement split at ``bounds``."""
    parts = [axons[start:stop].tocsc() for start, stop in pairwise(bounds)]
    return {
        NEURONS: int(np.diff(bounds).max()),
        SYNAPSE_MEMORY: max(core_bits(part, encoding, layout) for part in parts),
        INPUT_AXONS: max(int(np.count_nonzero(np.diff(part.indptr))) for part in parts),
        OUTPUT_AXONS: int(np.add.reduceat(destinations, bounds[:-1]).max()),
    }


def _fewest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """Smallest number from ``low`` to ``high`` that fits, or None; found by doubling and bisection.

    With more cores each holds less, but for the unevenness of a network's synapses; what is returned fits.
    """
    step, failed = 1, low - 1
    reached = low
    while not fits(reached):
        if reached == high:
            return None
        failed, reached, step = reached, min(high, reached + step), 2 * step
    while reached - failed > 1:
        middle = (failed + reached) // 2
        if fits(middle):
            reached = middle
        else:
            failed = middle
    return reached


def _synapses_on(
    synapses: sparse.csr_matrix, encoding: str, core_of: np.ndarray, cores: int
) -> sparse.csr_matrix:
    """``(sources, cores)`` counts of stored synapses, from the ``(targets, sources)`` matrix of weights."""
    sources = synapses.shape[1]
    rows = np.repeat(core_of, np.diff(synapses.indptr))
    counted = sparse.coo_matrix(
        (np.ones(synapses.nnz, np.int64), (synapses.indices, rows)), shape=(sources, cores)
    )
    counts = counted.tocsr()
    if encoding == DENSE:
        # A list that is there at all has a weight for every neuron of its core.
        counts.data = np.bincount(core_of, minlength=cores)[counts.indices]
    return counts
