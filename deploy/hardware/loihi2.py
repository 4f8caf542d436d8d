r"""The number of cores of a network on Loihi 2: a range, since its compiler's rules are not public.

No core holds neurons of two layers. With :math:`N` neurons in a layer and :math:`b` bytes of synapses, one
:math:`w` bytes each and a kernel stored once,

lower bound
    :math:`\max(\lceil N / 8192 \rceil, \lceil b / 128\,\text{KiB} \rceil)`: what cannot be undercut with the
    vendor's limits, pruned synapses left out and no index stored.
upper bound
    What the compiler does in the core distributions that lava-dl prints for PilotNet. An image is cut across
    its width into blocks of a power of two of columns, as wide as keeps a block within 3200 neurons. Synapses
    are lists, one for each source (each source channel and position of the kernel, in a convolution), of four
    weights a word, zeros included; where a core would have more than 12,000 words the targets (the channels,
    in an image) are split by the ratio, and then in two until every part fits.

The upper bound gives the printed 74 cores of PilotNet layer by layer, from which its constants were taken:
it is a rule that was found on one network, and no fit that was verified on another.
"""

from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from deploy.hardware.structure import Loihi2Structure
from deploy.ir import ConvConnection, Graph, Layer
from deploy.ir.geometry import Shape, pooled_shape


@dataclass(frozen=True)
class LayerDemand:
    """The numbers of a layer that decide its cores.

    Attributes
    ----------
    name : str
    shape : tuple of int
        ``(channels, height, width)`` or ``(neurons,)``.
    synapses : int
        Weights other than zero, those of a kernel once.
    lists : int
        Sources with a list of weights: sources of a dense layer, source channels times positions of the
        kernel in a convolution. 0 where nothing arrives, as at a network's input.
    """

    name: str
    shape: Shape
    synapses: int
    lists: int

    @property
    def neurons(self) -> int:
        """Neurons of the layer."""
        return prod(self.shape)


@dataclass(frozen=True)
class CoreRange:
    """Cores that a network takes, between bounds.

    Attributes
    ----------
    layers : dict of str to tuple of two int
        Lower and upper bound of each layer.
    lower, upper : int
        Sums over layers.
    chips_lower, chips_upper : int
    fit_verified : bool
        Whether the rules were checked on networks that they were not taken from: they were not.
    assumptions : tuple of str
    """

    layers: dict[str, tuple[int, int]]
    lower: int
    upper: int
    chips_lower: int
    chips_upper: int
    fit_verified: bool
    assumptions: tuple[str, ...]


def layer_demands(graph: Graph) -> list[LayerDemand]:
    """The demand of each layer of a graph. The input comes from off chip."""
    return [_demand(graph, layer) for layer in graph.layers]


def core_range(populations: list[LayerDemand], structure: Loihi2Structure) -> CoreRange:
    """Lower and upper bound of the cores that layers take (see the module).

    Raises
    ------
    UnknownValue
        A value of the structure that the bounds need is unknown.
    """
    layers = {
        population.name: (_lower(population, structure), _upper(population, structure))
        for population in populations
    }
    lower, upper = (sum(bounds[i] for bounds in layers.values()) for i in range(2))
    chip = structure.cores_per_chip.whole
    return CoreRange(
        layers=layers,
        lower=lower,
        upper=max(lower, upper),
        chips_lower=-(-lower // chip),
        chips_upper=-(-max(lower, upper) // chip),
        fit_verified=False,
        assumptions=_assumptions(structure),
    )


def _demand(graph: Graph, layer: Layer) -> LayerDemand:
    synapses = lists = 0
    shape = layer.kept_shape
    for incoming in layer.inputs:
        connection = incoming.connection
        if isinstance(connection, ConvConnection):
            synapses += int(np.count_nonzero(connection.kernels))
            lists += connection.inputs * prod(connection.geometry.kernel)
        else:
            # Single synapses are no convolution: the layer is as good as flat.
            shape = (layer.size,)
            synapses += connection.matrix.nnz
            lists += prod(pooled_shape(graph.source_shape(incoming), connection.pool))
    return LayerDemand(layer.name, shape, synapses, lists)


def _lower(population: LayerDemand, structure: Loihi2Structure) -> int:
    memory = population.synapses * structure.synapse_bytes.whole
    return max(
        -(-population.neurons // structure.neurons_per_core.whole),
        -(-memory // structure.synapse_memory_per_core.whole),
    )


def _upper(population: LayerDemand, structure: Loihi2Structure) -> int:
    """Parts of the targets times blocks of columns; both are 1 for a small layer."""
    channels, *extent = population.shape
    height, width = extent or (1, 1)
    limit = structure.block_neurons.whole
    parts = _parts(channels, population.lists, structure)
    while height * -(-channels // parts) > limit and parts < channels:
        parts = min(channels, 2 * parts)
    columns = 1
    while 2 * columns * height * -(-channels // parts) <= limit and columns < width:
        columns *= 2
    return parts * -(-width // columns)


def _parts(channels: int, lists: int, structure: Loihi2Structure) -> int:
    def ratio(parts: int) -> int:
        weights = ceil(channels / parts)
        words = lists * ceil(weights / structure.weights_per_word.whole)
        return ceil(words / structure.words_per_core.whole)

    parts = max(1, ratio(1))
    while parts < channels and ratio(parts) > 1:
        parts = min(channels, 2 * parts)
    return min(parts, channels)


def _assumptions(structure: Loihi2Structure) -> tuple[str, ...]:
    return (
        f"Lower bound: {structure.neurons_per_core.whole} neurons and"
        f" {structure.synapse_memory_per_core.whole} bytes of synapses a core,"
        f" {structure.synapse_bytes.whole} byte a synapse without an index, kernels stored once, pruned"
        " synapses left out, axons without a limit.",
        f"Upper bound: blocks of an image of a power of two of columns and at most"
        f" {structure.block_neurons.whole} neurons; {structure.words_per_core.whole} words of"
        f" {structure.weights_per_word.whole} weights a core, zeros included. The rules were read off the"
        " cores that lava-dl's compiler prints for PilotNet.",
        "No core holds neurons of two layers, and the input comes from off chip. The range has not been"
        " verified on another network.",
    )
