"""Event recordings: samples of an event camera, read or made one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Recordings(Protocol):
    """A sequence of event recordings.

    Attributes
    ----------
    sensor : tuple of int
        (C, H, W): polarities, height and width.
    """

    sensor: tuple[int, int, int]

    def __len__(self) -> int:
        """Number of recordings."""

    def __getitem__(self, index: int) -> np.ndarray:
        """Events of a recording: a structured array with the fields x, y, t (microseconds) and p."""

    def name(self, index: int) -> str:
        """The name of a recording in errors."""


@dataclass(frozen=True, eq=False)
class HeldRecordings:
    """Recordings in memory.

    Attributes
    ----------
    events : sequence of structured arrays
    sensor : tuple of int
    """

    events: Sequence[np.ndarray]
    sensor: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.events[index]

    def name(self, index: int) -> str:
        """The recording's number."""
        return f"recording {index}"


@dataclass(frozen=True, eq=False)
class SomeRecordings:
    """Recordings chosen from others by index, without reading them.

    Attributes
    ----------
    recordings : Recordings
    chosen : int array
    """

    recordings: Recordings
    chosen: np.ndarray

    @property
    def sensor(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.recordings.sensor

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.recordings[int(self.chosen[index])]

    def name(self, index: int) -> str:
        """The name that it has among the others."""
        return self.recordings.name(int(self.chosen[index]))
