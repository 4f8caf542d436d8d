"""The project's own model file: HDF5, nothing pickled, every field validated when it is read.

The file begins with a block of 512 bytes before the HDF5, with the SHA-256 of all that follows
(:mod:`deploy.formats.seal`).

Layout (schema version 4)::

    /                     attributes: format = "dpap-graph", schema = 4, input_shape, input_max, time_steps,
                          description (JSON object of text), and encoder_gain, encoder_threshold where the
                          layers send changes of activations
    /layers/<index>       one group a layer, in order; attributes: name, shape, scale, neuron, and by that
                          neuron = "lif": current_decay, voltage_decay, threshold, and observed_current where
                          calibration samples showed one
                          neuron = "sigma-delta": threshold, shift, rectified (0 or 1)
                          neuron = "maximum": none
        kept, unheard     int32, ascending; ``unheard`` is ``Layer.without_fan_out``
        bias              int32, one a kept channel; absent where there is none
        inputs/<index>    one group a source; attributes: source, encoding, pool, and kernel, stride, padding,
                          dilation, extra (pairs) and groups if the layer was a convolution
            delays        int16, of the source's kept shape; absent where there is none
            encoding = "matrix": data int16, indices int32, indptr int32 (compressed sparse rows), attribute
                          columns
            encoding = "conv": kernels int16 (n, height, width), indices int32, indptr int32, attribute inputs

Files of versions 2 and 3 are read as well: in version 2 all neurons are leaky integrate-and-fire and none
says so, and neither has observed currents.
"""

import json
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from deploy.errors import FormatError
from deploy.formats.hdf5.scan import scan_hdf5
from deploy.formats.hdf5.writing import write_hdf5
from deploy.formats.heaps import check_heaps
from deploy.formats.seal import BLOCK_BYTES, check_seal, seal
from deploy.ir import (
    NEURONS,
    Connection,
    ConvConnection,
    CubaLIF,
    Geometry,
    Graph,
    Incoming,
    InputDeltaEncoder,
    Layer,
    MatrixConnection,
    Neuron,
)
from deploy.ir.validation import validate_graph
from dpap.files.writing import write_atomically

FORMAT = "dpap-graph"
SCHEMA = 4
OLDEST_SCHEMA = 2
"""The oldest that is read."""

MAX_ELEMENTS = 1 << 28
"""Elements of one array beyond which a file is refused before anything is allocated."""

MAX_LAYERS = 4096

_PAIRS = ("kernel", "stride", "padding", "dilation", "extra")


READ_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError)
"""What h5py raises for damaged files; it depends on where the damage is."""


def save(graph: Graph, path: str | Path) -> None:
    """Write a graph; the file appears whole or not at all.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    write_atomically(path, lambda temporary: _write(graph, temporary))


def load(path: str | Path) -> Graph:
    """Read a graph.

    Raises
    ------
    FormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path}: no such file")
    try:
        check_seal(path)
        check_heaps(path)
        with h5py.File(path, "r") as file:
            scan_hdf5(file, path)
            return read_graph(file, path)
    except FormatError:
        raise
    except READ_ERRORS as error:
        raise FormatError(
            f"{path}: not a model file of this program, or damaged ({type(error).__name__}: {error});"
            " write it again with graph.save"
        ) from error


def _write(graph: Graph, path: Path) -> None:
    write_hdf5(path, partial(write_graph, graph), BLOCK_BYTES)
    seal(path)


def write_graph(graph: Graph, group: h5py.Group) -> None:
    """Write a graph into a group of a file that is open."""
    group.attrs["format"] = FORMAT
    group.attrs["schema"] = SCHEMA
    group.attrs["input_shape"] = np.array(graph.input_shape, np.int64)
    group.attrs["input_max"] = graph.input_max
    group.attrs["time_steps"] = graph.time_steps
    group.attrs["description"] = json.dumps(graph.description, sort_keys=True)
    if graph.encoder is not None:
        group.attrs["encoder_gain"] = graph.encoder.gain
        group.attrs["encoder_threshold"] = graph.encoder.threshold
    for index, layer in enumerate(graph.layers):
        _write_layer(group.create_group(f"layers/{index}"), layer)


def _write_layer(group: h5py.Group, layer: Layer) -> None:
    group.attrs["name"] = layer.name
    group.attrs["shape"] = np.array(layer.shape, np.int64)
    group.attrs["neuron"] = layer.neuron.kind
    for name, value in asdict(layer.neuron).items():
        group.attrs[name] = int(value)
    group.attrs["scale"] = layer.scale
    if layer.observed_current is not None:
        group.attrs["observed_current"] = layer.observed_current
    _write_array(group, "kept", layer.kept.astype(np.int32))
    _write_array(group, "unheard", layer.without_fan_out.astype(np.int32))
    if layer.bias is not None:
        _write_array(group, "bias", layer.bias.astype(np.int32))
    for index, incoming in enumerate(layer.inputs):
        _write_incoming(group.create_group(f"inputs/{index}"), incoming)


def _write_incoming(group: h5py.Group, incoming: Incoming) -> None:
    connection = incoming.connection
    group.attrs["source"] = incoming.source
    group.attrs["pool"] = connection.pool
    if incoming.convolution is not None:
        for name in _PAIRS:
            group.attrs[name] = np.array(getattr(incoming.convolution, name), np.int64)
        group.attrs["groups"] = incoming.convolution.groups
    if incoming.delays is not None:
        _write_array(group, "delays", incoming.delays.astype(np.int16))
    if isinstance(connection, ConvConnection):
        group.attrs["encoding"] = "conv"
        group.attrs["inputs"] = connection.inputs
        _write_array(group, "kernels", connection.kernels)
        rows = connection
    else:
        group.attrs["encoding"] = "matrix"
        group.attrs["columns"] = connection.matrix.shape[1]
        _write_array(group, "data", connection.matrix.data.astype(np.int16))
        rows = connection.matrix
    _write_array(group, "indices", rows.indices.astype(np.int32))
    _write_array(group, "indptr", rows.indptr.astype(np.int32))


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    # Checksums catch damage inside the data; HDF5 keeps them for chunked data sets, which cannot be empty.
    options = {"chunks": True, "fletcher32": True} if array.size else {}
    group.create_dataset(name, data=array, **options)


def read_graph(file: h5py.Group, path: Path) -> Graph:
    """Read a graph from a group of a file that is open and whose seal holds.

    Raises
    ------
    FormatError
        It is of another schema, or inconsistent. What h5py raises for damage passes (:data:`READ_ERRORS`).
    """
    if file.attrs.get("format") != FORMAT:
        raise FormatError(f"{path}: an HDF5 file, but not a model of this program (no format = {FORMAT!r})")
    schema = int(file.attrs["schema"])
    if not OLDEST_SCHEMA <= schema <= SCHEMA:
        raise FormatError(
            f"{path}: schema version {schema}; this program reads versions {OLDEST_SCHEMA} to {SCHEMA}"
        )
    groups = file["layers"]
    if not 1 <= len(groups) <= MAX_LAYERS:
        raise FormatError(f"{path}: {len(groups)} layers; expected 1 to {MAX_LAYERS}")
    description = json.loads(file.attrs["description"])
    if not isinstance(description, dict):
        raise FormatError(f"{path}: the description is not a JSON object")
    graph = Graph(
        input_shape=_shape(file.attrs["input_shape"]),
        input_max=int(file.attrs["input_max"]),
        time_steps=int(file.attrs["time_steps"]),
        layers=tuple(_read_layer(groups[str(index)]) for index in range(len(groups))),
        description={str(key): str(value) for key, value in description.items()},
        encoder=_read_encoder(file.attrs),
    )
    try:
        validate_graph(graph)
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    return graph


def _read_layer(group: h5py.Group) -> Layer:
    attributes = group.attrs
    inputs = group["inputs"]
    if not 1 <= len(inputs) <= MAX_LAYERS:
        raise FormatError(f"{group.name}: {len(inputs)} inputs; expected 1 to {MAX_LAYERS}")
    return Layer(
        name=str(attributes["name"]),
        shape=_shape(attributes["shape"]),
        kept=_array(group, "kept", np.int32),
        without_fan_out=_array(group, "unheard", np.int32),
        neuron=_read_neuron(group),
        inputs=tuple(_read_incoming(inputs[str(index)]) for index in range(len(inputs))),
        scale=float(attributes["scale"]),
        bias=_array(group, "bias", np.int32) if "bias" in group else None,
        observed_current=int(attributes["observed_current"]) if "observed_current" in attributes else None,
    )


def _read_encoder(attributes: h5py.AttributeManager) -> InputDeltaEncoder | None:
    if "encoder_gain" not in attributes:
        return None
    return InputDeltaEncoder(int(attributes["encoder_gain"]), int(attributes["encoder_threshold"]))


def _read_neuron(group: h5py.Group) -> Neuron:
    # Version 2 knows one kind.
    kind = str(group.attrs.get("neuron", CubaLIF.kind))
    if kind not in NEURONS:
        raise FormatError(f"{group.name}: unknown neuron {kind!r}; expected one of {', '.join(NEURONS)}")
    values = {}
    for field in fields(NEURONS[kind]):
        value = int(group.attrs[field.name])
        if isinstance(field.default, bool):
            if value not in (0, 1):
                raise FormatError(f"{group.name}: {field.name} is {value}; expected 0 or 1")
            value = bool(value)
        values[field.name] = value
    return NEURONS[kind](**values)


def _read_incoming(group: h5py.Group) -> Incoming:
    geometry = None
    if "kernel" in group.attrs:
        pairs = {name: _shape(group.attrs[name]) for name in _PAIRS}
        geometry = Geometry(**pairs, groups=int(group.attrs["groups"]))
    return Incoming(
        source=str(group.attrs["source"]),
        connection=_read_connection(group, geometry),
        convolution=geometry,
        delays=_array(group, "delays", np.int16, dims=None) if "delays" in group else None,
    )


def _read_connection(group: h5py.Group, geometry: Geometry | None) -> Connection:
    encoding, pool = group.attrs["encoding"], int(group.attrs["pool"])
    indices, indptr = _array(group, "indices", np.int32), _array(group, "indptr", np.int32)
    if encoding == "conv" and geometry is not None:
        kernels = _array(group, "kernels", np.int16, dims=3)
        return ConvConnection(kernels, indptr, indices, int(group.attrs["inputs"]), geometry, pool)
    if encoding == "matrix":
        data, columns = _array(group, "data", np.int16), int(group.attrs["columns"])
        # scipy trusts what it is given; its own full check finds what does not fit together.
        matrix = sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, columns))
        matrix.check_format(full_check=True)
        return MatrixConnection(matrix, pool)
    raise FormatError(f"{group.name}: unknown encoding {encoding!r}, or a convolution without its kernel")


def _shape(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in np.atleast_1d(values))


def _array(group: h5py.Group, name: str, dtype: type, dims: int | None = 1) -> np.ndarray:
    dataset = group[name]
    fits = isinstance(dataset, h5py.Dataset) and dataset.dtype == dtype
    if not fits or dataset.ndim != (dataset.ndim if dims is None else dims):
        raise FormatError(f"{group.name}/{name}: expected a {dims}-dimensional array of {np.dtype(dtype)}")
    if dataset.size > MAX_ELEMENTS:
        raise FormatError(f"{group.name}/{name}: {dataset.size} elements; at most {MAX_ELEMENTS}")
    return dataset[()]
