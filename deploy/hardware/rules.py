"""The design-rule check: the limits of a target that a graph exceeds."""

import numpy as np

from deploy.hardware.config import Hardware
from deploy.hardware.layer_mapping import ADVICE, INPUT_AXONS, LayerMapping
from deploy.hardware.mapping import Mapping, map_graph
from deploy.hardware.structure import Loihi1Structure, Loihi2Structure
from deploy.hardware.violation import Violation
from deploy.ir import ConvConnection, Graph, Layer


def check_graph(graph: Graph, target: Hardware, mapping: Mapping | None = None) -> tuple[Violation, ...]:
    """Every limit of a target that a graph exceeds; empty where it fits.

    On Loihi 1 these are, for each layer, the bits of weights and thresholds, the longest delay of a synapse,
    the axons of one neuron, and on its fullest core neurons, synaptic memory, and input and output
    axons. On Loihi 2, whose axon
    limits are not published, they are the bits of weights and of a graded input. A target that nothing is
    placed on has no limits.

    Parameters
    ----------
    graph : Graph
    target : Hardware
    mapping : Mapping, optional
        Of the graph on this target, if it is at hand: one that places what does not fit, too.
    """
    structure = target.structure
    if isinstance(structure, Loihi1Structure):
        if mapping is None:
            mapping = map_graph(graph, structure, target.synapse_format, oversized="place")
        return tuple(
            violation
            for layer in graph.layers
            for violation in (
                *_numbers(layer, target),
                *_delays(layer.name, mapping.layers[layer.name], structure),
                *_cores(layer.name, mapping.layers[layer.name]),
            )
        )
    if isinstance(structure, Loihi2Structure):
        return (*_graded_input(graph, structure), *_wide_weights(graph, structure))
    return ()


def weight_bits(weights: np.ndarray) -> tuple[int, int]:
    """Bits of signed weights in two's complement, and without low bits that are zero in all of them."""
    nonzero = np.asarray(weights, np.int64).ravel()
    nonzero = nonzero[nonzero != 0]
    if not len(nonzero):
        return 1, 1
    # The largest magnitude from zero up, and from minus one down.
    widest = int(max(nonzero.max(), ~nonzero.min()))
    bits = widest.bit_length() + 1
    used = int(np.bitwise_or.reduce(nonzero))
    return bits, bits - ((used & -used).bit_length() - 1)


def _weights(layer: Layer) -> np.ndarray:
    connections = [incoming.connection for incoming in layer.inputs]
    return np.concatenate(
        [one.kernels.ravel() if isinstance(one, ConvConnection) else one.matrix.data for one in connections]
    )


def _numbers(layer: Layer, target: Hardware) -> list[Violation]:
    structure, violations = target.structure, []
    bits, stored = weight_bits(_weights(layer))
    # What is stored has the format's bits, at a scale of a power of two; the weight itself has the chip's.
    for actual, limit in (
        (bits, structure.weight_bits_max.whole),
        (stored, target.synapse_format.weight_bits.whole),
    ):
        if actual > limit:
            advice = "quantise the weights to fewer bits, or to multiples of a larger power of two"
            violations.append(Violation("weight bits", layer.name, actual, limit, advice))
            break
    threshold, limit = layer.neuron.threshold.bit_length(), structure.threshold_bits.whole
    if threshold > limit:
        advice = "scale weights and threshold down together"
        violations.append(Violation("threshold bits", layer.name, threshold, limit, advice))
    return violations


def _delays(name: str, placed: LayerMapping, structure: Loihi1Structure) -> list[Violation]:
    actual, limit = placed.longest_delay, structure.delay_max.whole
    if actual <= limit:
        return []
    return [Violation("delay", name, actual, limit, "use shorter delays, or fewer layers beside a shortcut")]


def _cores(name: str, placed: LayerMapping) -> list[Violation]:
    violations, limits = [], placed.limits
    fan_in_exceeded = placed.fan_in > limits[INPUT_AXONS]
    if fan_in_exceeded:
        where, advice = f"{name}, one neuron", ADVICE[INPUT_AXONS]
        violations.append(Violation("fan-in", where, placed.fan_in, limits[INPUT_AXONS], advice))
    for resource, used in placed.usage_by_core.items():
        fullest = int(used.argmax())
        if used[fullest] <= limits[resource] or (resource == INPUT_AXONS and fan_in_exceeded):
            continue
        where = f"{name}, core {placed.first_core + fullest}"
        violations.append(Violation(resource, where, int(used[fullest]), limits[resource], ADVICE[resource]))
    return violations


def _graded_input(graph: Graph, structure: Loihi2Structure) -> list[Violation]:
    bits, limit = graph.input_max.bit_length(), structure.graded_spike_bits.whole
    if bits <= limit:
        return []
    return [Violation("graded spike bits", "input", bits, limit, "scale the input down")]


def _wide_weights(graph: Graph, structure: Loihi2Structure) -> list[Violation]:
    limit = structure.weight_bits.whole
    stored = {layer.name: weight_bits(_weights(layer))[1] for layer in graph.layers}
    advice = "quantise the weights, or let a synapse take several of the chip's"
    return [
        Violation("weight bits", name, bits, limit, advice) for name, bits in stored.items() if bits > limit
    ]
