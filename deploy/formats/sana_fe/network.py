"""The lines of ``network.yaml``: groups of neurons, their synapses, and the cores that they are on."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from deploy.errors import ExportError
from deploy.formats.sana_fe.architecture import DENDRITE, INPUT_SOMA, INPUTS_PER_CORE, SOMA, SYNAPSE
from deploy.hardware.mapping import Mapping
from deploy.ir import INPUT, Graph, Layer
from deploy.ir.connection import unrolled
from dpap.neurons.parameters import DECAY_UNITY

BIAS = "bias"
"""Name of the group whose neurons are the layers' biases."""


def depths(graph: Graph) -> dict[str, int]:
    """Steps from the input to each layer.

    Raises
    ------
    ExportError
        A layer's sources are not all one step before it, its axons delay spikes, or its current decays.
    """
    found = {INPUT: 0}
    for layer in graph.layers:
        decay, sources = layer.neuron.current_decay, [name for name in layer.sources if name != layer.name]
        if 0 < decay < DECAY_UNITY:
            raise ExportError(
                f"{layer.name}: its synaptic current decays by {decay}/4096 and is cut off to whole numbers;"
                " SANA-FE's is not: use current_decay 1 or 0"
            )
        if decay == 0 and layer.bias is not None:
            raise ExportError(
                f"{layer.name}: its bias would gather in its synaptic current, which does not decay; use no"
                " bias, or current_decay 1"
            )
        if any(incoming.delays is not None for incoming in layer.inputs):
            raise ExportError(
                f"{layer.name}: it receives delayed spikes, which SANA-FE 2.2.9 loses; use no Delay"
            )
        steps = {name: found[name] + 1 for name in sources}
        if len(set(steps.values())) > 1:
            raise ExportError(
                f"{layer.name}: spikes of {' and '.join(sources)} reach it after different numbers of steps,"
                " and SANA-FE 2.2.9 cannot delay the earlier ones; give both ways the same number of layers,"
                " as in Res(A|B)"
            )
        found[layer.name] = max(steps.values(), default=1)
    return found


def digits(graph: Graph) -> int:
    """Binary digits of an input."""
    return graph.input_max.bit_length()


def lines(graph: Graph, mapping: Mapping, cores_per_tile: int, inputs: np.ndarray) -> Iterator[str]:
    """The file, line by line.

    Parameters
    ----------
    graph : Graph
    mapping : Mapping
        Of its layers; what gives input goes on the cores behind.
    cores_per_tile : int
    inputs : array of shape (T, *input_shape)
        Whole numbers.
    """
    depth = depths(graph)
    biased = [layer for layer in graph.layers if layer.bias is not None]
    trains = _trains(graph, inputs)
    steps = {layer.name: depth[layer.name] for layer in biased}
    fires = [[0] * (step - 1) + [1] * graph.time_steps for step in steps.values()]
    yield "network:"
    yield "  name: dpap"
    yield "  groups:"
    yield from _input_group(INPUT, trains.T.tolist())
    if biased:
        yield from _input_group(BIAS, fires)
    for layer in graph.layers:
        yield from _group(layer)
    edges = _edges(graph, biased)
    first = next(edges, None)
    yield "  edges:" if first is not None else "  edges: []"
    if first is not None:
        yield first
    yield from edges
    yield "mappings:"
    place = mapping.cores * INPUTS_PER_CORE
    for name, count in ((INPUT, trains.shape[1]), (BIAS, len(biased))):
        for index in range(count):
            core, unit = divmod(place + index, INPUTS_PER_CORE)
            where = f"core: {_core(core, cores_per_tile)}, soma: '{INPUT_SOMA}[{unit}]'"
            yield f"  - {name}.{index}: [{where}, synapse: {SYNAPSE['sparse']}, dendrite: {DENDRITE}]"
        place += count
    for layer in graph.layers:
        placed = mapping.layers[layer.name]
        where = f"soma: {SOMA}, synapse: {SYNAPSE[placed.encoding]}, dendrite: {DENDRITE}"
        # In the order of the neurons; those of one core that follow each other go in one line.
        starts = np.flatnonzero(np.diff(placed.core_of, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], layer.size], strict=True):
            core = _core(int(placed.core_of[start]), cores_per_tile)
            yield f"  - {layer.name}.{_range(start, stop)}: [core: {core}, {where}]"


def input_neurons(graph: Graph) -> int:
    """Neurons that give input, those of biases included."""
    size = int(np.prod(graph.input_shape)) * digits(graph)
    return size + sum(layer.bias is not None for layer in graph.layers)


def _trains(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """Spikes of each input neuron, ``(T, digits * inputs)``: first the lowest digit of all inputs."""
    flat = inputs.reshape(len(inputs), -1).astype(np.int64)
    return np.concatenate([flat >> digit & 1 for digit in range(digits(graph))], axis=1)


def _input_group(name: str, trains: list[list[int]]) -> Iterator[str]:
    yield f"    - name: {name}"
    yield "      attributes: [log_spikes: true]"
    yield "      neurons:"
    for index, train in enumerate(trains):
        spikes = f"[spikes: [{', '.join(map(str, train))}]]" if any(train) else "[]"
        yield f"        - {index}: {spikes}"


def _group(layer: Layer) -> Iterator[str]:
    neuron = layer.neuron
    keep, current = (1 - decay / DECAY_UNITY for decay in (neuron.voltage_decay, neuron.current_decay))
    model = f"threshold: {neuron.threshold}, leak_decay: {keep!r}, input_decay: {current!r}, reset_mode: hard"
    yield f"    - name: {layer.name}"
    yield f"      attributes: [log_spikes: true, soma: {{{model}}}]"
    yield "      neurons:"
    yield f"        - {_range(0, layer.size)}: []"


def _edges(graph: Graph, biased: list[Layer]) -> Iterator[str]:
    for layer in graph.layers:
        for incoming in layer.inputs:
            matrix = unrolled(incoming.connection, graph.source_shape(incoming))
            if incoming.source == INPUT:
                matrix = sparse.hstack(
                    [matrix * (1 << digit) for digit in range(digits(graph))], format="csr"
                )
            matrix = matrix.tocoo()
            for post, pre, weight in zip(
                matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True
            ):
                yield f"    - {incoming.source}.{pre} -> {layer.name}.{post}: [weight: {weight}]"
    for index, layer in enumerate(biased):
        for post, bias in enumerate(layer.neuron_bias.tolist()):
            if bias:
                yield f"    - {BIAS}.{index} -> {layer.name}.{post}: [weight: {bias}]"


def _range(start: int, stop: int) -> str:
    return f"{start}" if stop - start == 1 else f"{start}..{stop - 1}"


def _core(core: int, cores_per_tile: int) -> str:
    tile, offset = divmod(core, cores_per_tile)
    return f"{tile}.{offset}"
