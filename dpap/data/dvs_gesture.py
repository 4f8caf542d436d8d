"""DVS-Gesture: eleven hand and arm gestures of 29 people before an event camera, read by tonic.

tonic's copy is cut into samples, one array ``(events, 4)`` of x, y, polarity and milliseconds in each file
``DVSGesture/ibmGestureTrain/user<number>_<light>/<class>.npy``. Recordings are in the order of users, light
and class.
"""

from pathlib import Path

import numpy as np

from dpap.data.data_set import UNKNOWN_TIME_STEPS, DataSet, Request
from dpap.data.location import downloading, missing, reading
from dpap.data.recordings import Recordings
from dpap.encoders import Frames
from dpap.errors import DataError
from dpap.files.arrays import map_array

SENSOR = (2, 128, 128)

CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)

WHOLE = 100
"""Fewer files than these tonic takes for a part that is not whole."""

LONGEST = 1 << 31
"""More milliseconds than any recording has: four weeks."""

MICROSECONDS = 1000
"""By which tonic multiplies the times, in the type that they have."""


def check_array(path: Path) -> None:
    """Raise a :class:`~dpap.errors.DataError` unless a file holds events as tonic expects them."""
    with reading(path):
        events = map_array(path)
    if events.ndim != 2 or events.shape[1] != 4 or not len(events) or events.dtype.kind not in "uif":
        raise DataError(f"{path}: {events.dtype} {events.shape}; expected numbers (events, 4): x, y, p, t")
    whole = events.dtype.kind != "f"
    longest = min(LONGEST, np.iinfo(events.dtype).max // MICROSECONDS) if whole else LONGEST
    limits = (SENSOR[2], SENSOR[1], SENSOR[0], longest)
    for column, limit, name in zip(events.T, limits, "xypt", strict=True):
        low, high = column.min(), column.max()
        # NaN is in no range.
        if not (low >= 0 and high < limit):
            raise DataError(f"{path}: damaged: {name} from {low} to {high}; expected 0 to {limit - 1}")


def _read(request: Request) -> tuple[Recordings, np.ndarray]:
    # Imported here: tonic takes seconds that `import dpap.data` should not.
    from dpap.data.tonic_files import DVSGesture, RecordingFiles

    part = "ibmGestureTrain" if request.train else "ibmGestureTest"
    place = request.folder / "DVSGesture" / part
    if request.download and sum(1 for _ in place.glob("*/*.npy")) < WHOLE:
        with downloading("dvs-gesture", request.folder):
            DVSGesture(str(request.folder), train=request.train).download()
    if not place.is_dir():
        raise missing("dvs-gesture", place)
    with reading(place):
        dataset = DVSGesture(str(request.folder), train=request.train)
    labels = np.array(dataset.targets, np.int64)
    for path, label in zip(dataset.data, labels, strict=True):
        if not 0 <= label < len(CLASSES):
            raise DataError(f"{path}: class {label}; expected files 0.npy to {len(CLASSES) - 1}.npy")
    if len(labels) < WHOLE and not request.subset:
        raise DataError(
            f"dvs-gesture: {place} holds {len(labels)} recordings, fewer than {WHOLE}; take what is there"
            " with subset=True, or download it with download=True"
        )
    # The folders' order is the file system's.
    order = sorted(range(len(labels)), key=lambda i: (dataset.users[i], dataset.lighting[i], labels[i]))
    return RecordingFiles(dataset, order, SENSOR, check_array), labels[order]


DATA_SET = DataSet(
    name="dvs-gesture",
    source="A. Amir et al., A low power, fully event-based gesture recognition system, CVPR 2017",
    classes=CLASSES,
    sample_shape=SENSOR,
    pixel_max=None,
    # The side to which the authors' code base scales frames (BrainCog, datasets.py).
    encoder=Frames(size=(48, 48)),
    time_steps=10,
    time_steps_source=UNKNOWN_TIME_STEPS,
    counts=None,
    folder="dvs_gesture",
    read=_read,
)
