"""Event frames: events counted in bins of time."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dpap.encoders.validation import ENCODED_MAX, check_steps
from dpap.errors import DataError, InputError


def event_frames(events: np.ndarray, sensor: tuple[int, int, int], time_steps: int) -> np.ndarray:
    r"""Events of one recording, counted by bin of time, polarity and pixel.

    .. math:: k = \left\lfloor \frac{t - t_{first}}{\Delta} \right\rfloor, \qquad
              \Delta = \left\lfloor \frac{t_{last} - t_{first}}{T} \right\rfloor

    An event with :math:`k \ge T` is left out: the last one, and those of the fewer than T microseconds that
    do not fill a bin. Source: tonic's ``ToFrame(n_time_bins=T)``, which the authors' code uses (BrainCog,
    datasets.py); the counts are the same but are not limited to 16 bits.

    Parameters
    ----------
    events : structured array with the fields x, y, t, p
        Whole numbers; times in microseconds. Of a sensor one row high, such as the channels of spoken digits,
        ``y`` may be left out.
    sensor : tuple of int
        (C, H, W); C polarities.
    time_steps : int
        T.

    Returns
    -------
    int64 array of shape (T, C, H, W).

    Raises
    ------
    InputError
        A field is missing or not of whole numbers, there are fewer microseconds than bins, or an event is
        outside the sensor.
    """
    check_steps(time_steps)
    channels, height, width = sensor
    t, x, y, p = (_column(events, field, height) for field in "txyp")
    span = int(t.max() - t.min()) if len(t) else 0
    window = span // time_steps
    if window < 1:
        raise InputError(
            f"{len(t)} events over {span} us; they cannot be split into {time_steps} bins of time"
        )
    for values, limit, name in ((x, width, "x"), (y, height, "y"), (p, channels, "p")):
        if values.min() < 0 or values.max() >= limit:
            raise InputError(
                f"events with {name} from {values.min()} to {values.max()}; expected 0 to {limit - 1}"
            )
    step = (t - t.min()) // window
    index = ((step * channels + p) * height + y) * width + x
    frames = np.bincount(index[step < time_steps], minlength=time_steps * channels * height * width)
    return frames.reshape(time_steps, channels, height, width)


def _column(events: np.ndarray, field: str, height: int) -> np.ndarray:
    """One field of all events."""
    names = events.dtype.names or ()
    if field == "y" and field not in names and height == 1:
        return np.zeros(len(events), np.int64)
    if field not in names:
        raise InputError(
            f"events have the fields {', '.join(names) or 'of no structured array'}; {field} is missing of"
            " x, y, t and p (y may be, of a sensor one row high)"
        )
    values = events[field]
    if values.dtype.kind not in "biu":
        how = "; seconds become microseconds by (t * 1e6).astype(numpy.int64)" if field == "t" else ""
        raise InputError(f"events have {field} of type {values.dtype}; expected whole numbers{how}")
    return values.astype(np.int64)


class Frames(BaseModel):
    r"""Event frames by bins of time (:func:`event_frames`), clipped to what the network takes.

    .. math:: x_{k,p,y,x} = \min(\text{events in the bin},\ x_{max})

    Attributes
    ----------
    input_max : int
        :math:`x_{max}`. At 1, the default, a frame says whether there was an event; above it, how many.
    size : (int, int), optional
        Height and width of the frames, where they are smaller than the sensor: an event at (x, y) counts
        at ``(x * width // sensor width, y * height // sensor height)``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: ClassVar[str] = "events"
    over_time: ClassVar[bool] = True
    random: ClassVar[bool] = False

    kind: Literal["frames"] = "frames"
    input_max: int = Field(1, ge=1, le=ENCODED_MAX)
    size: tuple[int, int] | None = None

    def shape(self, sensor: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape (C, H, W) of a frame.

        Raises
        ------
        InputError
            ``size`` is larger than the sensor or not positive.
        """
        if self.size is None:
            return sensor
        if not all(1 <= size <= limit for size, limit in zip(self.size, sensor[1:], strict=True)):
            raise InputError(f"frames of {self.size}; expected (1, 1) to {sensor[1:]}, the sensor's size")
        return (sensor[0], *self.size)

    def encode(
        self,
        recordings: Sequence[np.ndarray],
        sensor: tuple[int, int, int],
        time_steps: int,
        names: Sequence[str] = (),
    ) -> np.ndarray:
        """Frames of recordings.

        Parameters
        ----------
        recordings : sequence of structured arrays with the fields x, y, t, p
        sensor : tuple of int
            (C, H, W).
        time_steps : int
            T.
        names : sequence of str, optional
            Of the recordings, for errors; by default their numbers.

        Returns
        -------
        uint8 array of shape (N, C, H, W, T).

        Raises
        ------
        DataError
            A recording cannot be made into frames (:func:`event_frames`); it is named.
        """
        shape = self.shape(sensor)
        # Time first in memory, as networks work.
        frames = np.empty((time_steps, len(recordings), *shape), np.uint8)
        for index, events in enumerate(recordings):
            try:
                counts = event_frames(self._scaled(events, sensor), shape, time_steps)
            except InputError as error:
                name = names[index] if names else f"recording {index}"
                raise DataError(f"{name}: {error}") from error
            np.minimum(counts, self.input_max, out=frames[:, index], casting="unsafe")
        return np.moveaxis(frames, 0, -1)

    def _scaled(self, events: np.ndarray, sensor: tuple[int, int, int]) -> np.ndarray:
        if self.size in (None, sensor[1:]):
            return events
        height, width = self.size
        scaled = np.empty(len(events), [(field, np.int64) for field in "xytp"])
        scaled["x"] = events["x"].astype(np.int64) * width // sensor[2]
        scaled["y"] = events["y"].astype(np.int64) * height // sensor[1]
        scaled["t"], scaled["p"] = events["t"], events["p"]
        return scaled
