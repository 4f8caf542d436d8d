"""Event recordings in files that tonic reads, checked one by one as they are read.

Importing this module takes seconds; it is imported when event files are asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tonic

from dpap.data.location import reading
from dpap.errors import DataError


class NMNIST(tonic.datasets.NMNIST):
    """tonic's N-MNIST on the files that are there: how many there should be is checked by the caller.

    The name is tonic's, since it is the folder's.
    """

    def _check_exists(self) -> bool:
        return True


class DVSGesture(tonic.datasets.DVSGesture):
    """tonic's DVS-Gesture on the files that are there, likewise."""

    def _check_exists(self) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class RecordingFiles:
    """Recordings in files, in a fixed order.

    Attributes
    ----------
    dataset : tonic dataset
        Its ``data`` are paths.
    order : sequence of int
        Its indices, in the order of the recordings.
    sensor : tuple of int
        (C, H, W).
    check : callable
        Is given a path before tonic reads it, and raises where the file is not what it should be.
    """

    dataset: tonic.Dataset
    order: Sequence[int]
    sensor: tuple[int, int, int]
    check: Callable[[Path], None]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> np.ndarray:
        """Events of a file.

        Raises
        ------
        DataError
            The file is missing, truncated, or has events outside the sensor.
        """
        path = Path(self.dataset.data[self.order[index]])
        with reading(path):
            self.check(path)
            events, _ = self.dataset[self.order[index]]
        if not len(events):
            raise DataError(f"{path}: has no events")
        for field, limit in zip("pyx", self.sensor, strict=True):
            values = events[field]
            if values.min() < 0 or values.max() >= limit:
                raise DataError(
                    f"{path}: damaged: an event has {field} = {values.max()}; expected 0 to {limit - 1}"
                )
        return events
