"""Data arguments of commands: a data set by name, or a file of inputs."""

from pathlib import Path

import numpy as np

from deploy.ir import Graph
from dpap.data import DATA_SETS, DataSet, Split, load
from dpap.encoders import ENCODED_MAX, ENCODERS, Direct, Frames, Latency, Rate
from dpap.errors import DataError
from dpap.errors.known_names import suggestion
from dpap.files.arrays import map_array
from dpap.networks import Network

PARTS = ("train", "test")


def load_inputs(
    graph: Graph,
    data: str,
    samples: int | None,
    *,
    part: str = "test",
    encoder: str | None = None,
    subset: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs ``(N, T, *input_shape)``, and labels where the data has them.

    Parameters
    ----------
    graph : Graph
        What they are for: its T, shape and ``input_max`` are those that samples are encoded for.
    data : str
        The name of a data set, or the path of a ``.npy`` file of shape (N, T, *input_shape).
    samples : int, optional
        The first so many.
    part : str
        ``train`` or ``test``, of a data set.
    encoder : str, optional
        ``direct``, ``rate``, ``latency`` or ``frames``; by default the data set's.
    subset : bool
        Accept fewer samples than the data set has.

    Raises
    ------
    DataError
        There is no such data, it does not fit the graph, or a file is missing, damaged or holds objects.
    """
    if data in DATA_SETS:
        split = load_split(graph, data, part=part, encoder=encoder, subset=subset)
        return split.over_time(graph.time_steps, samples), split.labels[:samples]
    if encoder is not None or subset or part != "test":
        raise DataError(f"data {data!r}: a split, an encoder or a subset can only be chosen of a data set")
    path = Path(data)
    if not path.is_file():
        raise DataError(
            f"data {data!r} is neither a file nor a data set; use a .npy file of inputs, or one of"
            f" {', '.join(DATA_SETS)}{suggestion(data, DATA_SETS)}"
        )
    inputs = _mapped(path, "inputs")
    if inputs.dtype.kind not in "biuf" or not inputs.ndim:
        raise DataError(
            f"{path}: {inputs.ndim}-dimensional, of type {inputs.dtype}; expected numbers of shape"
            f" (N, T, {', '.join(map(str, graph.input_shape))})"
        )
    # In memory, in the order and the byte order of this machine.
    return np.array(inputs[:samples], dtype=inputs.dtype.newbyteorder("="), order="C"), None


def load_labels(path: Path, count: int, classes: int) -> np.ndarray:
    """Labels of the first ``count`` samples of a file, from a ``.npy`` file of whole numbers ``(N,)``.

    Raises
    ------
    DataError
        The file is damaged or has fewer, or a label is none of the classes.
    """
    labels = _mapped(path, "labels")
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or len(labels) < count:
        raise DataError(
            f"{path}: {labels.dtype} {labels.shape}; expected whole numbers, one for each of {count} samples"
        )
    chosen = np.array(labels[:count], np.int64)
    if count and not 0 <= chosen.min() <= chosen.max() < classes:
        raise DataError(
            f"{path}: labels from {chosen.min()} to {chosen.max()}; the model has the classes 0 to"
            f" {classes - 1}"
        )
    return chosen


def _mapped(path: Path, holds: str) -> np.ndarray:
    """The one array of a ``.npy`` file, mapped into memory."""
    if not path.is_file():
        raise DataError(f"{path}: no such file of {holds}")
    try:
        # Mapped: a header that names more than the file has is refused before anything is allocated.
        return map_array(path)
    except Exception as error:
        # What a damaged header raises is the choice of NumPy, its parser and the system.
        raise DataError(f"{path}: not a .npy file of numbers, or damaged ({error})") from error


def load_split(
    graph: Graph | Network,
    data: str,
    *,
    part: str = "test",
    encoder: str | None = None,
    subset: bool = False,
) -> Split:
    """A part of a data set, encoded as a graph or a network takes it; arguments are those of load_inputs."""
    if data not in DATA_SETS:
        raise DataError(
            f"data {data!r} is not a data set; use one of {', '.join(DATA_SETS)}{suggestion(data, DATA_SETS)}"
        )
    if part not in PARTS:
        raise DataError(f"split {part!r} is not known; there are {' and '.join(PARTS)}")
    known = DATA_SETS[data]
    chosen = _encoder(known, encoder or known.encoder.kind, graph)
    shape, largest = known.encoded_shape(chosen), known.largest(chosen)
    if shape != graph.input_shape or largest != graph.input_max:
        raise DataError(
            f"{data} by {chosen.kind} encoding has inputs {shape} from 0 to {largest}; the model takes"
            f" {graph.input_shape} from 0 to {graph.input_max}"
        )
    (split,) = load(data, part, time_steps=graph.time_steps, encoder=chosen, subset=subset)
    return split


def _encoder(known: DataSet, kind: str, graph: Graph | Network) -> Direct | Rate | Latency | Frames:
    """An encoder for the shape and range of a graph's inputs."""
    if kind not in ENCODERS:
        raise DataError(
            f"encoder {kind!r} is not known; there are {', '.join(ENCODERS)}{suggestion(kind, ENCODERS)}"
        )
    if graph.input_max > ENCODED_MAX:
        raise DataError(
            f"the model takes inputs up to {graph.input_max}; data sets are encoded up to {ENCODED_MAX}"
        )
    if kind == "direct":
        return Direct(input_max=graph.input_max)
    if kind == "frames":
        spatial = len(graph.input_shape) == len(known.sample_shape)
        return Frames(input_max=graph.input_max, size=graph.input_shape[1:] if spatial else None)
    return ENCODERS[kind]()
