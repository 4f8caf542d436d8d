"""Whether a graph is consistent and within the bounds that make every backend agree."""

import math

import numpy as np

from deploy.graph import INPUT, ConvConnection, Graph, Layer
from deploy.graph.connection import Shape, pooled_shape
from dpap.neurons.parameters import DECAY_UNITY, SUM_LIMIT, THRESHOLD_LIMIT
from dpap.quantization import LOWEST_WEIGHT, WEIGHT_LIMIT, WEIGHT_STEP, gains

MAX_STEPS = 1 << 16
MAX_INPUT = (1 << 16) - 1
MAX_NEURONS = 1 << 26


def validate_graph(graph: Graph) -> None:
    """Check every field of a graph, wherever it comes from.

    Raises
    ------
    ValueError
        A field is out of range or does not fit the others; the message names the layer and the field.
    """
    _require(len(graph.input_shape) in (1, 3), f"input_shape {graph.input_shape} has not 1 or 3 axes")
    _check_shape("input", graph.input_shape)
    _require(1 <= graph.input_max <= MAX_INPUT, f"input_max is {graph.input_max}, not 1 to {MAX_INPUT}")
    _require(
        1 <= graph.time_steps <= MAX_STEPS,
        f"time_steps is {graph.time_steps}, not 1 to {MAX_STEPS}",
    )
    shapes = {INPUT: graph.input_shape}
    for layer in graph.layers:
        _require(layer.name not in shapes, f"the name {layer.name!r} appears twice")
        _require(
            layer.source in shapes,
            f"{layer.name}: its source {layer.source!r} does not come before it",
        )
        bound = graph.input_max if layer.source == INPUT else 1
        _check_layer(layer, shapes[layer.source], bound, graph.time_steps)
        shapes[layer.name] = layer.kept_shape
    output = graph.output
    _require(
        len(output.shape) == 1,
        f"{output.name}: the output has the shape {output.shape}, not (classes,)",
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_shape(name: str, shape: Shape) -> None:
    _require(
        all(extent >= 1 for extent in shape) and math.prod(shape) <= MAX_NEURONS,
        f"{name}: the shape {shape} is not of 1 to {MAX_NEURONS} neurons",
    )


def _check_layer(layer: Layer, source: Shape, bound: int, steps: int) -> None:
    name = layer.name
    _require(len(layer.shape) in (1, 3), f"{name}: the shape {layer.shape} has not 1 or 3 axes")
    _check_shape(name, layer.shape)
    for field in ("kept", "unheard"):
        _check_ascending(f"{name}: {field}", getattr(layer, field), layer.shape[0])
    _require(len(layer.kept) >= 1, f"{name}: nothing is kept")
    neuron = layer.neuron
    for field in ("current_decay", "voltage_decay"):
        value = getattr(neuron, field)
        _require(0 <= value <= DECAY_UNITY, f"{name}: {field} is {value}, not 0 to {DECAY_UNITY}")
    _require(
        1 <= neuron.threshold <= THRESHOLD_LIMIT,
        f"{name}: the threshold is {neuron.threshold}, not 1 to {THRESHOLD_LIMIT}",
    )
    _require(math.isfinite(layer.scale) and layer.scale > 0, f"{name}: the scale is {layer.scale}")
    convolution = layer.convolution
    if convolution is not None:
        _require(
            len(layer.shape) == 3 and convolution.kernel >= 1 and convolution.padding >= 0,
            f"{name}: a convolution with kernel {convolution.kernel} and padding {convolution.padding}"
            f" cannot have the shape {layer.shape}",
        )
    _check_connection(layer, source, bound, steps)


def _check_connection(layer: Layer, source: Shape, bound: int, steps: int) -> None:
    name, connection = layer.name, layer.connection
    pool = connection.pool
    _require(
        pool == 1 or (len(source) == 3 and 1 <= pool <= min(source[1:])),
        f"{name}: a pool of {pool} does not fit its source of {source}",
    )
    if isinstance(connection, ConvConnection):
        _require(len(source) == 3, f"{name}: a convolution of a source of {source}")
        _check_rows(name, connection.indptr, connection.indices, connection.inputs)
        _require(
            len(connection.kernels) == len(connection.indices),
            f"{name}: kernels and indices differ",
        )
        _require(connection.inputs == source[0], f"{name}: {connection.inputs} inputs from {source}")
        _require(connection.padding >= 0, f"{name}: the padding is {connection.padding}")
        shape = connection.output_shape(source)
        _require(shape == layer.kept_shape, f"{name}: a convolution to {shape}, not {layer.kept_shape}")
        weights, indptr = connection.kernels, connection.indptr
    else:
        matrix = connection.matrix
        _check_rows(name, matrix.indptr, matrix.indices, matrix.shape[1])
        expected = (layer.size, math.prod(pooled_shape(source, pool)))
        _require(matrix.shape == expected, f"{name}: a matrix of {matrix.shape}, not {expected}")
        weights, indptr = matrix.data, matrix.indptr
    _require(
        bool(((weights >= LOWEST_WEIGHT) & (weights <= WEIGHT_LIMIT)).all())
        and not bool((weights % WEIGHT_STEP).any()),
        f"{name}: a weight is not even and within {LOWEST_WEIGHT} to {WEIGHT_LIMIT}",
    )
    _check_sums(layer, weights.astype(np.int64), indptr, bound * pool**2, steps)


def _check_sums(layer: Layer, weights: np.ndarray, indptr: np.ndarray, bound: int, steps: int) -> None:
    """No sum or negative voltage may leave 24 bits, where Lava would compute otherwise than the others."""
    flat = weights.reshape(len(weights), math.prod(weights.shape[1:]))
    neuron = layer.neuron
    current_gain, voltage_gain = gains(
        DECAY_UNITY - neuron.current_decay, DECAY_UNITY - neuron.voltage_decay, steps
    )
    for part, gain in ((flat.clip(min=0), current_gain), (-flat.clip(max=0), voltage_gain)):
        running = np.concatenate([[0], np.cumsum(part.sum(1))])
        largest = int((running[indptr[1:]] - running[indptr[:-1]]).max())
        _require(
            largest * bound * gain < SUM_LIMIT,
            f"{layer.name}: a synaptic sum of {largest * bound} can leave Lava's 24-bit states",
        )


def _check_rows(name: str, indptr: np.ndarray, indices: np.ndarray, columns: int) -> None:
    _require(
        len(indptr) >= 1
        and indptr[0] == 0
        and indptr[-1] == len(indices)
        and bool((np.diff(indptr) >= 0).all()),
        f"{name}: the row pointers do not fit {len(indices)} entries",
    )
    _require(
        not len(indices) or (indices.min() >= 0 and indices.max() < columns),
        f"{name}: an index is not within {columns} columns",
    )
    # Duplicates would be summed by one backend and stored twice by another.
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    same_row = rows[1:] == rows[:-1]
    _require(not bool((same_row & (np.diff(indices) <= 0)).any()), f"{name}: indices are not ascending")


def _check_ascending(name: str, values: np.ndarray, limit: int) -> None:
    _require(
        not len(values) or (values[0] >= 0 and values[-1] < limit and bool((np.diff(values) > 0).all())),
        f"{name} is not ascending within {limit}",
    )
