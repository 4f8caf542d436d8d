"""N-MNIST: MNIST seen by an event camera that moves in three saccades, read by tonic.

Recordings are in the order of their MNIST images, whose numbers, from 1, are the names of the files:
``NMNIST/Train/<digit>/00001.bin``. An event has five bytes: x, y, and polarity (1 bit) with microseconds
(23 bits).
"""

from pathlib import Path

import numpy as np

from dpap.data.data_set import UNKNOWN_TIME_STEPS, DataSet, Request
from dpap.data.location import downloading, missing, reading
from dpap.data.recordings import Recordings
from dpap.encoders import Frames
from dpap.errors import DataError

SENSOR = (2, 34, 34)

EVENT_BYTES = 5

COUNTS = (60_000, 10_000)

SOURCE = (
    "G. Orchard et al., Converting static image datasets to spiking neuromorphic datasets using saccades,"
    " Frontiers in Neuroscience 9:437, 2015"
)


def read_atis(name: str, folder: Path, request: Request, classes: int) -> tuple[Recordings, np.ndarray]:
    """Recordings in N-MNIST's layout.

    Parameters
    ----------
    name : str
        Of the data set, for errors.
    folder : Path
        Holds ``NMNIST/Train`` and ``NMNIST/Test``.
    request : Request
    classes : int

    Returns
    -------
    Recordings, and labels int64 of shape (N,).

    Raises
    ------
    DataError
        A folder is missing or has other files than recordings; a file is empty or is not whole events.
    """
    # Imported here: tonic takes seconds that `import dpap.data` should not.
    from dpap.data.tonic_files import NMNIST, RecordingFiles

    place = folder / "NMNIST" / ("Train" if request.train else "Test")
    if not place.is_dir():
        raise missing(name, place, downloads=name == DATA_SET.name)
    with reading(place):
        dataset = NMNIST(str(folder), train=request.train)
    paths = [Path(path) for path in dataset.data]
    labels = np.array(dataset.targets, np.int64)
    for path, label in zip(paths, labels, strict=True):
        if not path.stem.isdecimal() or path.parent != place / str(label) or label >= classes:
            raise DataError(
                f"{path}: expected recordings such as {place / '0' / '00001.bin'},"
                f" of digits 0 to {classes - 1}"
            )
        check_size(path)
    order = sorted(range(len(paths)), key=lambda index: (int(paths[index].stem), labels[index]))
    return RecordingFiles(dataset, order, SENSOR, check_size), labels[order]


def check_size(path: Path) -> None:
    """Raise a :class:`~dpap.errors.DataError` unless a file has whole events, and at least one."""
    size = path.stat().st_size
    if size == 0 or size % EVENT_BYTES:
        raise DataError(f"{path}: truncated: {size} bytes; expected events of {EVENT_BYTES} bytes each")


def _read(request: Request) -> tuple[Recordings, np.ndarray]:
    place = request.folder / "NMNIST" / ("Train" if request.train else "Test")
    if request.download and sum(1 for _ in place.glob("*/*.bin")) < COUNTS[not request.train]:
        from dpap.data.tonic_files import NMNIST

        with downloading("nmnist", request.folder):
            NMNIST(str(request.folder), train=request.train).download()
    return read_atis("nmnist", request.folder, request, classes=10)


DATA_SET = DataSet(
    name="nmnist",
    source=SOURCE,
    classes=tuple("0123456789"),
    sample_shape=SENSOR,
    pixel_max=None,
    encoder=Frames(),
    time_steps=10,
    time_steps_source=UNKNOWN_TIME_STEPS,
    counts=COUNTS,
    folder="nmnist",
    read=_read,
)
