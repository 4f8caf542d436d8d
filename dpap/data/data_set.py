"""The description of a data set, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpap.data.recordings import Recordings
from dpap.encoders import Direct, Frames, Latency, Rate

UNKNOWN_TIME_STEPS = "chosen here: neither the paper nor the authors' public code gives T for this data set"


@dataclass(frozen=True)
class Request:
    """The parts of a data set to read.

    Attributes
    ----------
    train : bool
        The training part; otherwise the test part.
    folder : Path
        Folder of the data set's files.
    download : bool
        Let torchvision or tonic download what is missing.
    subset : bool
        Accept fewer samples than the data set has.
    """

    train: bool
    folder: Path
    download: bool
    subset: bool


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes
    ----------
    name, source : str
        The name that selects it, and its authors.
    classes : tuple of str
    sample_shape : tuple of int
        (C, H, W) of an image or of the sensor.
    pixel_max : int or None
        The largest pixel value; None where samples are event recordings.
    encoder : Direct, Rate, Latency or Frames
        By default.
    time_steps : int
        T by default.
    time_steps_source : str
        Where that is from.
    counts : (int, int) or None
        Samples for training and test of the whole data set, where they are known.
    folder : str
        Under the folder of data sets; empty where it has no files.
    read : callable
        Is given a :class:`Request`; gives back images, uint8 ``(N, C, H, W)``, or recordings; and int64
        labels.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    sample_shape: tuple[int, int, int]
    pixel_max: int | None
    encoder: Direct | Rate | Latency | Frames
    time_steps: int
    time_steps_source: str
    counts: tuple[int, int] | None
    folder: str
    read: Callable[[Request], tuple[np.ndarray | Recordings, np.ndarray]]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) that a network is given with the default encoder."""
        return self.encoded_shape(self.encoder)

    @property
    def input_max(self) -> int:
        """The largest number that a network is given with the default encoder."""
        return self.largest(self.encoder)

    def encoded_shape(self, encoder: Direct | Rate | Latency | Frames) -> tuple[int, int, int]:
        """(C, H, W) that a network is given with an encoder."""
        return encoder.shape(self.sample_shape) if isinstance(encoder, Frames) else self.sample_shape

    def largest(self, encoder: Direct | Rate | Latency | Frames) -> int:
        """The largest number that a network is given with an encoder."""
        if isinstance(encoder, Frames):
            return encoder.input_max
        return encoder.largest(self.pixel_max or 1)
