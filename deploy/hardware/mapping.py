"""Which cores of Loihi 1 a graph's neurons are placed on.

Each layer of neurons (not the input) takes the least number of cores on which every core keeps within its
limits: neurons, input axons, output axons, and bits of synaptic memory. A first bound is ``max(ceil(N /
1024), ceil(input axons / 4096))``; then every limit is checked core by core, since splitting a layer neither
halves its input axons (all cores of a dense layer hear every source) nor quite its synaptic memory. A neuron
takes an output axon for each core that it has a synapse on, so that layers are placed from the last to the
first: the cores of what a layer sends to are known before its own.

Rules that are ours, the compilers of Loihi 1 being closed:

- A layer is split into equal contiguous ranges of neurons, channel by channel at each position, so that
  neighbours in an image stay together: a core then hears a part of the image and not all of it.
- Layers lie on consecutive cores in the order of the graph; no core holds neurons of two layers.
- Sources in one pooling window have the same synapses and share one input axon (several neurons may send to
  one axon of a core: nengo-loihi's decode neurons do), unless their delays differ. Each input of a layer has
  axons of its own, so that a neuron that a layer hears in two ways sends it two packets.
- A neuron of a recurrent layer takes output axons to its own layer's cores, too: what they are is counted for
  every number of cores that is tried.

The number of cores is searched for on a sample of the cores, and confirmed on all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import sparse

from deploy.errors import HardwareError
from deploy.graph import Graph, Layer
from deploy.hardware.axons import Axons, axons_of, source_parts
from deploy.hardware.mesh import tiles_used
from deploy.hardware.placed_synapses import PlacedSynapses, placed_synapses, placement_order
from deploy.hardware.structure import Loihi1Structure, SynapseFormat
from deploy.hardware.violation import PlacementError, Violation

NEURONS, SYNAPSE_MEMORY = "neurons", "synapse memory"
INPUT_AXONS, OUTPUT_AXONS = "input axons", "output axons"

SAMPLED_CORES = 128
"""Cores that are looked at while the number of cores is searched for."""

FIRST_CORES, CORES_AT_A_TIME = 8, 512
"""Cores that are looked at first, and then together, until one is found that is too full."""

Oversized = Literal["refuse", "place"]


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
    limits : dict of str to int
        What a core has of each, synaptic memory in bits.
    usage_by_core : dict of str to int64 array of shape (cores,)
        What each core has of each.
    fan_in : int
        Most input axons that one neuron hears.
    core_of : int64 array
        Core of each neuron, in the graph's order.
    stored : int64 csr_matrix of shape (axons, cores)
        Stored synapses of each axon on each of the layer's cores, zeros of a dense list included. Sources in
        one pooling window share an axon.
    axon_of : int64 array
        Axon of each source neuron, all sources one after the other; -1 for what lies in no pooling window.
    longest_delay : int
        Most steps that a synapse delays a spike.
    destinations : int64 array
        Axons on cores that each neuron of the layer sends its spikes to.
    """

    encoding: str
    neurons: int
    cores: int
    first_core: int
    limited_by: str
    limits: dict[str, int]
    usage_by_core: dict[str, np.ndarray]
    fan_in: int
    core_of: np.ndarray
    stored: sparse.csr_matrix
    axon_of: np.ndarray
    longest_delay: int
    destinations: np.ndarray

    @property
    def usage(self) -> dict[str, int]:
        """What the fullest core has of each, synaptic memory in bits."""
        return {name: int(values.max()) for name, values in self.usage_by_core.items()}

    @property
    def utilisation(self) -> dict[str, float]:
        """The same over the limit; at most 1 where the layer fits."""
        return {name: used / self.limits[name] for name, used in self.usage.items()}

    @property
    def fits(self) -> bool:
        """Whether all cores keep within their limits.

        A neuron that hears more sources than a core has input axons fits nowhere.
        """
        return all(ratio <= 1 for ratio in self.utilisation.values())

    @cached_property
    def synapses_on(self) -> sparse.csr_matrix:
        """Stored synapses of each source neuron on each of the layer's cores, ``(source neurons, cores)``."""
        # An axon of -1 finds the empty row at the end.
        nothing = sparse.csr_matrix((1, self.cores), dtype=self.stored.dtype)
        return sparse.vstack([self.stored, nothing], format="csr")[self.axon_of]

    @cached_property
    def cores_heard(self) -> np.ndarray:
        """Cores of the layer that each source neuron has an axon on, int64 ``(source neurons,)``."""
        return self.of_sources(self.stored.getnnz(axis=1).astype(np.int64))

    def of_sources(self, of_axons: np.ndarray) -> np.ndarray:
        """Values of the axons as values of the source neurons; zero for what lies in no pooling window."""
        return np.append(of_axons, of_axons.dtype.type(0))[self.axon_of]

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
        The graph's layers send graded messages, which Loihi 1 has not.
    """
    if graph.sigma_delta:
        raise HardwareError(
            f"{graph.layers[0].name} has {graph.layers[0].neuron.kind} units, which send graded messages;"
            " Loihi 1 has binary spikes alone, and nothing is published of what such units would take on it:"
            " choose a target that is known by its operations, such as loihi2 or cmos45_int8"
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
                destinations[source] += mapping.cores_heard[part]
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
        _Placement(layer, synapses, destinations, loops, limits, oversized, cores)
        for synapses in placed_synapses(graph, layer, axons, layout)
    ]
    best = min(placements, key=lambda placement: (placement.cores, placement.usage[SYNAPSE_MEMORY].max()))
    return best.mapping(axons)


class _Placement:
    """One layer in one encoding on the least cores that hold it."""

    def __init__(
        self,
        layer: Layer,
        synapses: PlacedSynapses,
        destinations: np.ndarray,
        loops: list[np.ndarray],
        limits: dict[str, int],
        oversized: Oversized,
        cores: int | None,
    ):
        self._layer, self._synapses, self._limits = layer, synapses, limits
        self._order = placement_order(layer)
        self._elsewhere, self._loops = destinations, loops
        self._fan_in = synapses.largest_fan_in
        self._whole: dict[int, dict[str, np.ndarray]] = {}
        self._own: dict[int, np.ndarray] = {}
        # Splitting does not help where one neuron hears too much.
        self._binding = [
            name for name in limits if name != INPUT_AXONS or self._fan_in <= limits[INPUT_AXONS]
        ]
        self.cores = self._search(oversized) if cores is None else cores
        self.usage = self._whole.get(self.cores) or self._usage(self.cores, np.arange(self.cores))

    def mapping(self, axons: Axons) -> LayerMapping:
        """The placement, its cores counted from 0."""
        bounds = split(self._layer.size, self.cores)
        core_of = np.empty(self._layer.size, np.int64)
        core_of[self._order] = np.repeat(np.arange(self.cores), np.diff(bounds))
        return LayerMapping(
            encoding=self._synapses.encoding,
            neurons=self._layer.size,
            cores=self.cores,
            first_core=0,
            limited_by=self._limited_by(),
            limits=self._limits,
            usage_by_core=self.usage,
            fan_in=self._fan_in,
            core_of=core_of,
            stored=self._synapses.stored(bounds, self.usage[INPUT_AXONS]),
            axon_of=axons.of_source,
            longest_delay=int(axons.delay.max(initial=0)),
            destinations=self._destinations(bounds),
        )

    def _search(self, oversized: Oversized) -> int:
        size, limits = self._layer.size, self._limits
        low = max(-(-size // limits[NEURONS]), -(-self._synapses.heard // limits[INPUT_AXONS]))
        cores = _fewest(self._sample_fits, min(size, low), size)
        if cores is not None:
            # No number below passes even the sample.
            cores = _fewest(self._all_fit, cores, size)
        if cores is not None:
            return cores
        if oversized == "place":
            return size
        usage = self._usage(size, np.arange(size))
        name = max(self._binding, key=lambda name: usage[name].max() / limits[name])
        needed, limit = int(usage[name].max()), limits[name]
        raise PlacementError(
            f"{self._layer.name}: one neuron needs {needed} {name}; a core has {limit}",
            Violation(name, f"{self._layer.name}, one neuron", needed, limit, ADVICE[name]),
        )

    def _usage(self, cores: int, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """What each chosen one of so many cores has of each resource."""
        bounds = split(self._layer.size, cores)
        bits, axons = self._synapses.usage(bounds, chosen)
        sums = np.concatenate([[0], np.cumsum(self._destinations(bounds)[self._order])])
        return {
            NEURONS: np.diff(bounds)[chosen],
            SYNAPSE_MEMORY: bits,
            INPUT_AXONS: axons,
            OUTPUT_AXONS: np.diff(sums[bounds])[chosen],
        }

    def _destinations(self, bounds: np.ndarray) -> np.ndarray:
        """Output axons of each neuron with the layer split at ``bounds``, to the layer itself, too."""
        if not self._loops:
            return self._elsewhere
        if len(bounds) not in self._own:
            # Kernels of a layer that hears itself are unrolled, so that their routes need no count of axons.
            heard = np.append(self._synapses.stored(bounds, np.zeros(0, np.int64)).getnnz(axis=1), 0)
            self._own = {len(bounds): sum(heard[axon] for axon in self._loops).astype(np.int64)}
        return self._elsewhere + self._own[len(bounds)]

    def _sample(self, cores: int) -> np.ndarray:
        """Cores that stand for all of so many: every one where there are few."""
        return np.unique(np.linspace(0, cores - 1, min(cores, SAMPLED_CORES)).astype(np.int64))

    def _sample_fits(self, cores: int) -> bool:
        return self._usage_that_fits(cores, self._sample(cores)) is not None

    def _all_fit(self, cores: int) -> bool:
        usage = self._usage_that_fits(cores, np.arange(cores))
        if usage is not None:
            self._whole[cores] = usage
        return usage is not None

    def _usage_that_fits(self, cores: int, chosen: np.ndarray) -> dict[str, np.ndarray] | None:
        """What the chosen cores have, or None as soon as one of them is found too full."""
        parts = []
        for part in np.split(chosen, range(FIRST_CORES, len(chosen), CORES_AT_A_TIME)):
            parts.append(self._usage(cores, part))
            if any(parts[-1][name].max() > self._limits[name] for name in self._binding):
                return None
        return {name: np.concatenate([part[name] for part in parts]) for name in self._limits}

    def _limited_by(self) -> str:
        if self.cores > 1 and self._layer.size > self._limits[NEURONS] * (self.cores - 1):
            return NEURONS
        before = max(1, self.cores - 1)
        usage = self._usage(before, self._sample(before))
        return max(usage, key=lambda name: usage[name].max() / self._limits[name])


ADVICE = {
    NEURONS: "split the layer over more cores",
    SYNAPSE_MEMORY: "prune synapses of this layer, or use fewer channels in its source",
    INPUT_AXONS: "prune neurons of its source, pool it, or make the layer a convolution",
    OUTPUT_AXONS: "prune the layer that hears it, so that its neurons lie on fewer cores",
}
"""What to do where a core would have too much of a resource."""


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
