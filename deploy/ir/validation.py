"""Validation of graphs: consistent, and within the bounds in which all backends agree."""

import math
from collections.abc import Callable

import numpy as np

from deploy.ir import (
    INPUT,
    Connection,
    ConvConnection,
    Geometry,
    Graph,
    Layer,
)
from deploy.ir.connection import sums_by_sign
from deploy.ir.geometry import Shape, pooled_shape
from dpap.errors.shown import shown
from dpap.limits import MOST_INPUT, MOST_STEPS
from dpap.neurons.parameters import SUM_LIMIT
from dpap.neurons.sigma_delta import MESSAGE_LIMIT
from dpap.quantization.scaling import LOWEST_WEIGHT, WEIGHT_LIMIT, WEIGHT_STEP

MAX_NEURONS = 1 << 26
MAX_WINDOW = 1 << 12
MAX_NAME = 256


def validate_graph(graph: Graph) -> None:
    """Check every field of a graph, wherever it comes from.

    Raises
    ------
    ValueError
        A field is out of range or does not fit the others; the message names the layer and the field.
    """
    _require(len(graph.input_shape) in (1, 3), f"input_shape {graph.input_shape} has not 1 or 3 axes")
    _check_shape("input", graph.input_shape)
    _require(1 <= graph.input_max <= MOST_INPUT, f"input_max is {graph.input_max}, not 1 to {MOST_INPUT}")
    _require(
        1 <= graph.time_steps <= MOST_STEPS,
        f"time_steps is {graph.time_steps}, not 1 to {MOST_STEPS}",
    )
    _check_encoder(graph)
    shapes = {INPUT: graph.input_shape}
    for layer in graph.layers:
        _require(
            isinstance(layer.name, str) and 0 < len(layer.name) <= MAX_NAME and layer.name.isprintable(),
            f"the name {shown(layer.name)} of a layer is not 1 to {MAX_NAME} printable letters",
        )
        _require(layer.name not in shapes, f"the name {layer.name!r} appears twice")
        _require(
            layer.neuron.activity is graph.activity,
            f"{layer.name}: {layer.neuron.kind} neurons in a graph"
            f" {'without' if graph.encoder is None else 'with'} an encoder of changes",
        )
        _check_layer(layer)
        shapes[layer.name] = layer.kept_shape
        _check_inputs(layer, shapes, graph)
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


def _check_layer(layer: Layer) -> None:
    name = layer.name
    _require(len(layer.shape) in (1, 3), f"{name}: the shape {layer.shape} has not 1 or 3 axes")
    _check_shape(name, layer.shape)
    for field, channels in (("kept", layer.kept), ("unheard", layer.without_fan_out)):
        _check_ascending(f"{name}: {field}", channels, layer.shape[0])
    _require(len(layer.kept) >= 1, f"{name}: nothing is kept")
    _named(name, layer.neuron.check)
    bias_limit = layer.neuron.bias_limit
    _require(math.isfinite(layer.scale) and layer.scale > 0, f"{name}: the scale is {layer.scale}")
    observed = layer.observed_current
    _require(
        observed is None or (layer.neuron.bounded == "current" and 0 <= observed < SUM_LIMIT),
        f"{name}: the observed current is {observed}; spiking neurons have 0 to {SUM_LIMIT - 1}",
    )
    if layer.bias is not None:
        # Of the least int32 the magnitude is no int32.
        magnitudes = np.abs(layer.bias.astype(np.int64))
        _require(
            layer.bias.shape == (len(layer.kept),) and bool((magnitudes <= bias_limit).all()),
            f"{name}: the biases are not {len(layer.kept)} numbers of at most {bias_limit}",
        )


def _named(name: str, check: Callable[..., None], *arguments: object) -> None:
    """Run a check of a kind of neuron; what it finds is said of the layer."""
    try:
        check(*arguments)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _check_encoder(graph: Graph) -> None:
    if graph.encoder is None:
        return
    gain, threshold = graph.encoder.gain, graph.encoder.threshold
    _require(
        gain >= 1 and gain * graph.input_max < MESSAGE_LIMIT,
        f"the encoder's gain is {gain}, for inputs up to {graph.input_max}: messages have 24 bits",
    )
    _require(
        1 <= threshold <= MESSAGE_LIMIT, f"the encoder's threshold is {threshold}, not 1 to {MESSAGE_LIMIT}"
    )


def _check_inputs(layer: Layer, shapes: dict[str, Shape], graph: Graph) -> None:
    _require(len(layer.inputs) >= 1, f"{layer.name}: it has no input")
    positive, negative = np.zeros(layer.size), np.zeros(layer.size)
    for incoming in layer.inputs:
        name = f"{layer.name} from {incoming.source}"
        _require(incoming.source in shapes, f"{name}: its source does not come before it")
        source = shapes[incoming.source]
        _check_geometry(name, incoming.convolution, layer)
        _check_delays(name, incoming.delays, source, graph.time_steps)
        largest = graph.input_max if incoming.source == INPUT else 1
        sums = _check_connection(name, incoming.connection, layer, source)
        bound = largest * incoming.connection.pool**2
        positive += sums[0] * bound
        negative += sums[1] * bound
        if graph.activity.graded:
            _require(
                incoming.source != layer.name and incoming.delays is None,
                f"{name}: layers that send changes have no recurrent synapses and no delays",
            )
    pooled = any(incoming.connection.pool > 1 for incoming in layer.inputs)
    largest_sum = int(max(positive.max(), negative.max()))
    _named(layer.name, layer.neuron.check_sources, len(layer.inputs), pooled, largest_sum)


def _check_geometry(name: str, geometry: Geometry | None, layer: Layer) -> None:
    if geometry is None:
        return
    pairs = (geometry.kernel, geometry.stride, geometry.padding, geometry.dilation, geometry.extra)
    _require(
        len(layer.shape) == 3
        and all(len(pair) == 2 for pair in pairs)
        and min(*geometry.kernel, *geometry.stride, *geometry.dilation, geometry.groups) >= 1
        and min(*geometry.padding, *geometry.extra) >= 0
        and max(max(pair) for pair in pairs) <= MAX_WINDOW
        and layer.shape[0] % geometry.groups == 0,
        f"{name}: {geometry} does not fit a layer of {layer.shape}",
    )


def _check_delays(name: str, delays: np.ndarray | None, source: Shape, steps: int) -> None:
    _require(
        delays is None
        or (
            delays.shape == tuple(source) and delays.size > 0 and delays.min() >= 0 and delays.max() <= steps
        ),
        f"{name}: the delays are not of its source's shape {source}, each 0 to {steps}",
    )


def _check_connection(
    name: str, connection: Connection, layer: Layer, source: Shape
) -> tuple[np.ndarray, np.ndarray]:
    """Check a connection; the sums of each neuron's positive weights and negative magnitudes."""
    pool = connection.pool
    _require(
        pool == 1 or (len(source) == 3 and 1 <= pool <= min(source[1:])),
        f"{name}: a pool of {pool} does not fit its source of {source}",
    )
    if isinstance(connection, ConvConnection):
        _require(len(source) == 3, f"{name}: a convolution of a source of {source}")
        _check_geometry(name, connection.geometry, layer)
        _check_rows(name, connection.indptr, connection.indices, connection.inputs)
        _require(
            len(connection.kernels) == len(connection.indices)
            and connection.kernels.shape[1:] == connection.geometry.kernel,
            f"{name}: kernels of {connection.kernels.shape} do not fit their indices and geometry",
        )
        _require(connection.inputs == source[0], f"{name}: {connection.inputs} inputs from {source}")
        shape = connection.output_shape(source)
        _require(shape == layer.kept_shape, f"{name}: a convolution to {shape}, not {layer.kept_shape}")
        weights = connection.kernels
    else:
        matrix = connection.matrix
        _check_rows(name, matrix.indptr, matrix.indices, matrix.shape[1])
        expected = (layer.size, math.prod(pooled_shape(source, pool)))
        _require(matrix.shape == expected, f"{name}: a matrix of {matrix.shape}, not {expected}")
        weights = matrix.data
    _require(
        bool(((weights >= LOWEST_WEIGHT) & (weights <= WEIGHT_LIMIT)).all())
        and not bool((weights % WEIGHT_STEP).any()),
        f"{name}: a weight is not even and within {LOWEST_WEIGHT} to {WEIGHT_LIMIT}",
    )
    positive, negative = sums_by_sign(connection)
    # The rows of a convolution are channels.
    positions = layer.size // len(positive)
    return np.repeat(positive, positions), np.repeat(negative, positions)


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
