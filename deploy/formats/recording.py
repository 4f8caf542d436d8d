"""Recordings in files: HDF5, compressed, written during a run, and read on demand.

The file begins with a block of 512 bytes before the HDF5, with the SHA-256 of all that follows
(:mod:`deploy.formats.seal`), which is checked once, when the file is opened.

Layout (schema version 1)::

    /                 attributes: format = "dpap-recording", schema = 1, samples, backend, seconds
    /graph            the graph, as in a model file (:mod:`deploy.formats.h5`)
    /inputs           unsigned (samples, T, *input_shape)
    /spikes/<index>   uint8 (T, neurons, bytes), attribute layer: spikes of the surviving neurons, a bit each,
                      the first sample lowest

Chunks hold one block of samples of all neurons, over as many steps as :data:`CHUNK_BYTES` allow.
"""

import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path

import h5py
import numpy as np

from deploy.errors import FormatError
from deploy.formats.h5 import READ_ERRORS, read_graph, write_graph
from deploy.formats.hdf5.scan import scan_hdf5
from deploy.formats.hdf5.writing import ClosableFile
from deploy.formats.heaps import check_heaps
from deploy.formats.seal import BLOCK_BYTES, check_seal, seal
from deploy.ir import Graph
from deploy.recording import BYTE, Recording, unpacked

FORMAT = "dpap-recording"
SCHEMA = 1

CHUNK_BYTES = 1 << 22
"""Bytes of a chunk to aim at, before compression."""

LEVEL = 1
"""Of zlib: spikes compress well, and a run does not wait for the rest."""


class RecordingWriter:
    """Writes blocks of samples, in any order and from several threads.

    Parameters
    ----------
    path : path
        Written in place; see :func:`dpap.files.writing.write_atomically`.
    graph : Graph
    samples : int
    lanes : int
        Samples in a block, a multiple of 8.
    layers : iterable of str
        Those that are recorded.
    kind : dtype
        Of the inputs.
    """

    def __init__(
        self, path: Path, graph: Graph, samples: int, lanes: int, layers: Iterable[str], kind: np.dtype
    ):
        self._path, self._lanes = path, lanes
        self._lock = threading.Lock()
        self._file, self._spikes = None, {}
        self._storage = ClosableFile(path)
        try:
            self._begin(graph, samples, layers, np.dtype(kind))
            self._storage.check()
        except BaseException:
            self.abandon()
            raise

    def _begin(self, graph: Graph, samples: int, layers: Iterable[str], kind: np.dtype) -> None:
        self._file = h5py.File(self._storage, "w", userblock_size=BLOCK_BYTES)
        self._file.attrs["format"], self._file.attrs["schema"] = FORMAT, SCHEMA
        self._file.attrs["samples"] = samples
        write_graph(graph, self._file.create_group("graph"))
        blocks, steps = -(-samples // self._lanes), graph.time_steps
        shape = (samples, steps, *graph.input_shape)
        self._inputs = self._create("inputs", shape, (self._lanes, *shape[1:]), 1, kind)
        for index, name in enumerate(layers):
            row = (graph[name].size, self._lanes // BYTE)
            full = (steps, row[0], blocks * row[1])
            self._spikes[name] = self._create(f"spikes/{index}", full, (steps, *row), 0, np.dtype(np.uint8))
            self._spikes[name].attrs["layer"] = name

    def _create(self, name: str, shape: tuple, block: tuple, time: int, kind: np.dtype) -> h5py.Dataset:
        """A data set whose chunks are blocks, cut along the axis of time."""
        if 0 in shape:
            return self._file.create_dataset(name, shape, kind)
        a_step = prod(block) // block[time] * kind.itemsize
        steps = max(1, min(block[time], CHUNK_BYTES // a_step))
        chunks = (*block[:time], steps, *block[time + 1 :])
        # The last block may have fewer samples than a chunk.
        largest = tuple(max(pair) for pair in zip(shape, chunks, strict=True))
        return self._file.create_dataset(
            name, shape, kind, chunks=chunks, maxshape=largest, compression="gzip", compression_opts=LEVEL
        )

    def write_inputs(self, block: int, inputs: np.ndarray) -> None:
        """Inputs of a block, ``(up to lanes, T, *input_shape)``."""
        full = np.zeros((self._lanes, *inputs.shape[1:]), inputs.dtype)
        full[: len(inputs)] = inputs
        self._write(self._inputs, full, 1, (block * self._lanes,))

    def write_spikes(self, block: int, name: str, packed: np.ndarray) -> None:
        """Spikes of a layer in a block, uint8 ``(T, neurons, lanes / 8)``."""
        self._write(self._spikes[name], packed, 0, (0, block * self._lanes // BYTE))

    def _write(self, data: h5py.Dataset, content: np.ndarray, time: int, place: tuple[int, ...]) -> None:
        steps = data.chunks[time]
        for first in range(0, content.shape[time], steps):
            part = content[(slice(None),) * time + (slice(first, first + steps),)]
            missing = steps - part.shape[time]
            if missing:
                part = np.pad(part, [(0, missing if axis == time else 0) for axis in range(part.ndim)])
            # Compressed here and not by HDF5, which lets one thread at a time do anything.
            compressed = zlib.compress(np.ascontiguousarray(part), LEVEL)
            offset = [0] * data.ndim
            offset[time] = first
            if time == 0:
                offset[-1] = place[-1]
            else:
                offset[0] = place[0]
            with self._lock:
                data.id.write_direct_chunk(tuple(offset), compressed)
                self._storage.check()

    def close(self, backend: str, seconds: float) -> None:
        """Say what ran, and seal the file."""
        self._file.attrs["backend"], self._file.attrs["seconds"] = backend, seconds
        self._file.close()
        self._storage.check()
        self._storage.close()
        seal(self._path)

    def abandon(self) -> None:
        """Close a file that will not be complete."""
        if self._file is not None:
            self._file.close()
        self._storage.close()


class StoredSpikes(Mapping):
    """Spikes of surviving neurons by layer, ``(N, T, *kept_shape)`` uint8, read on demand."""

    def __init__(self, path: Path, graph: Graph, places: dict[str, str], samples: int):
        self._path, self._graph, self._places, self._samples = path, graph, places, samples

    def __getitem__(self, name: str) -> np.ndarray:
        return self._read(name, 0, self._samples)

    def part(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """The spikes of some samples."""
        return {name: self._read(name, start, stop) for name in self._places}

    def _read(self, name: str, start: int, stop: int) -> np.ndarray:
        first = start // BYTE
        packed = _read(self._path, self._places[name], (..., slice(first, -(-stop // BYTE))))
        return unpacked(packed, self._graph[name].kept_shape, start - first * BYTE, stop - first * BYTE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class StoredInputs:
    """Inputs of a run, ``(N, T, *input_shape)``, read when they are indexed; ``numpy.asarray`` reads all.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype):
        self._path, self.shape, self.dtype = path, shape, dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index) -> np.ndarray:
        return _read(self._path, "inputs", index)

    def __array__(self, dtype=None) -> np.ndarray:
        return np.asarray(self[...], dtype)


def load_recording(path: str | Path) -> Recording:
    """Open a recording; its spikes and inputs are read from the file on demand.

    Raises
    ------
    FormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent. Reading later raises it
        as well, where the file has changed since.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path}: no such file")
    try:
        check_seal(path, "recording", "run again with record_to")
        check_heaps(path)
        with h5py.File(path, "r") as file:
            scan_hdf5(file, path, ("inputs", "spikes"))
            return _open(file, path)
    except FormatError:
        raise
    except READ_ERRORS as error:
        raise _damaged(path, error) from error


def stored_spikes(path: Path, graph: Graph, layers: Iterable[str], samples: int) -> StoredSpikes:
    """The spikes that a :class:`RecordingWriter` of these layers wrote."""
    return StoredSpikes(path, graph, {name: f"spikes/{k}" for k, name in enumerate(layers)}, samples)


def save_recording(recording: Recording, path: Path, lanes: int = 64) -> None:
    """Write a recording to a file as it is; see :meth:`deploy.Recording.save`."""
    samples = len(recording.inputs)
    writer = RecordingWriter(
        path, recording.graph, samples, lanes, list(recording.kept), recording.inputs.dtype
    )
    try:
        for block, part in enumerate(recording.batches(lanes)):
            writer.write_inputs(block, part.inputs)
            for name, spikes in part.kept.items():
                flat = spikes.reshape(*spikes.shape[:2], -1)
                full = np.zeros((lanes, *flat.shape[1:]), np.uint8)
                full[: len(flat)] = flat
                packed = np.packbits(np.moveaxis(full, 0, -1), axis=-1, bitorder="little")
                writer.write_spikes(block, name, packed)
        writer.close(recording.backend, recording.seconds)
    except BaseException:
        writer.abandon()
        raise


def _read(path: Path, name: str, index) -> np.ndarray:
    try:
        with h5py.File(path, "r") as file:
            return file[name][index]
    except READ_ERRORS as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FormatError:
    return FormatError(
        f"{path}: not a recording of this program, or damaged ({type(error).__name__}: {error}); run again"
        " with record_to"
    )


def _open(file: h5py.File, path: Path) -> Recording:
    if file.attrs.get("format") != FORMAT:
        raise FormatError(f"{path}: not a recording of this program (no format = {FORMAT!r})")
    schema = int(file.attrs["schema"])
    if schema != SCHEMA:
        raise FormatError(f"{path}: schema version {schema}; this program reads version {SCHEMA}")
    graph, samples = read_graph(file["graph"], path), int(file.attrs["samples"])
    kind = np.dtype(np.uint8 if graph.input_max < 256 else np.uint16)
    inputs = file["inputs"]
    _check(path, inputs, kind, (samples, graph.time_steps, *graph.input_shape))
    places = {}
    width = None
    recorded = file.get("spikes")
    if not isinstance(recorded, h5py.Group):
        raise FormatError(f"{path}: no group of spikes")
    for index, spikes in recorded.items():
        if not isinstance(spikes, h5py.Dataset):
            raise FormatError(f"{path}: {spikes.name} is not a data set of spikes")
        name = str(spikes.attrs["layer"])
        if name not in {layer.name for layer in graph.layers} or name in places:
            raise FormatError(f"{path}: spikes of {name!r}, which is no layer of its graph or is there twice")
        width = spikes.shape[-1] if width is None else width
        _check(path, spikes, np.dtype(np.uint8), (graph.time_steps, graph[name].size, width))
        places[name] = f"spikes/{index}"
    if graph.output.name not in places or not 0 <= samples <= width * BYTE:
        raise FormatError(f"{path}: no spikes of its output, or not of {samples} samples")
    ordered = {layer.name: places[layer.name] for layer in graph.layers if layer.name in places}
    return Recording(
        graph=graph,
        inputs=StoredInputs(path, inputs.shape, kind),
        kept=StoredSpikes(path, graph, ordered, samples),
        backend=str(file.attrs["backend"]),
        seconds=float(file.attrs["seconds"]),
    )


def _check(path: Path, data: h5py.Dataset, kind: np.dtype, shape: tuple[int, ...]) -> None:
    fits = isinstance(data, h5py.Dataset) and data.dtype == kind and data.shape == shape
    if not fits:
        raise FormatError(f"{path}: {data.name} is not {kind} of the shape {shape}, as its graph says")
