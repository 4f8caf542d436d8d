"""Samples with their labels, encoded batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dpap.data.augmentation import Augmentation
from dpap.data.recordings import Recordings, SomeRecordings
from dpap.encoders import Direct, Frames, Latency, Rate
from dpap.errors import DataError

_AUGMENTATION, _ENCODING = 0, 1
"""Streams of random numbers of a sample."""


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set.

    Attributes
    ----------
    inputs : uint8 array of shape (N, C, H, W) or (N, C, H, W, T), or Recordings
        Images, from 0 to ``pixel_max``, or event recordings, which the encoder makes into what networks
        take. Without an encoder they are that already: whole numbers from 0 to ``input_max``, with an axis
        of time where ``time_steps`` is given.
    labels : int64 array of shape (N,)
    input_max : int
        The largest number that a network is given, which stands for the real value 1.
    time_steps : int, optional
        T. A directly encoded image is the same at every step, and does for any T.
    encoder : Direct, Rate, Latency or Frames, optional
    pixel_max : int, optional
        The largest pixel value, where an encoder takes images.
    seed : int
        Of the random numbers of encoder and augmentation. A sample's are its own: they do not depend on
        the batch, and are drawn again in every epoch of training.
    augmentation : CropFlip or Distortion, optional
        For batches of training.
    ids : int array of shape (N,), optional
        Seeds of the samples' random numbers; by default their places in the split.

    Raises
    ------
    DataError
        Inputs and labels differ in number, or the encoder does not take such inputs.
    InputError
        Frames are larger than the sensor.
    """

    inputs: np.ndarray | Recordings
    labels: np.ndarray
    input_max: int
    time_steps: int | None = None
    encoder: Direct | Rate | Latency | Frames | None = None
    pixel_max: int | None = None
    seed: int = 0
    augmentation: Augmentation | None = None
    ids: np.ndarray | None = None

    def __post_init__(self):
        _check_arrays(self.inputs, self.labels)
        if len(self.inputs) != len(self.labels):
            raise DataError(
                f"{len(self.inputs)} samples with {len(self.labels)} labels; expected one for each"
            )
        _check_labels(self.labels)
        kind = "images" if isinstance(self.inputs, np.ndarray) else "events"
        takes = "images" if self.encoder is None else self.encoder.takes
        if takes != kind:
            name = "no encoder" if self.encoder is None else f"{self.encoder.kind} encoding"
            raise DataError(f"the samples are {kind}; {name} takes {takes}")
        if kind == "images":
            _check_whole(self.inputs, self.input_max if self.pixel_max is None else self.pixel_max)
        if self.augmentation is not None and (kind == "events" or self.inputs.ndim != 4):
            raise DataError("only images (N, C, H, W) can be augmented")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise DataError(f"seed is {self.seed}; expected a whole number from 0")
        if self.encoder is not None and self.time_steps is None:
            raise DataError("an encoder needs time_steps")
        if isinstance(self.encoder, Frames):
            # Refuses frames that do not fit the sensor now, and not at the first batch.
            self.encoder.shape(self.inputs.sensor)

    def __repr__(self) -> str:
        encoded = "" if self.encoder is None else f", {self.encoder.kind} encoding"
        steps = "" if self.time_steps is None else f", T = {self.time_steps}"
        return f"<Split of {len(self)} samples {self.input_shape} from 0 to {self.input_max}{steps}{encoded}>"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def static(self) -> bool:
        """Whether a sample is the same at every step, and so has no axis of time."""
        return self.time_steps is None if self.encoder is None else not self.encoder.over_time

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample at one step, as a network is given it."""
        if isinstance(self.encoder, Frames):
            return self.encoder.shape(self.inputs.sensor)
        shape = self.inputs.shape[1:]
        return shape if self.static or self.encoder is not None else shape[:-1]

    def batch(self, chosen: np.ndarray, epoch: int | None = None) -> np.ndarray:
        """Inputs of samples, as a network takes them.

        Parameters
        ----------
        chosen : int array
            Places of the samples in the split.
        epoch : int, optional
            The epoch of training, from 1, from which augmentation and random encoders are seeded. Without it,
            for evaluation, nothing is augmented.

        Returns
        -------
        uint8 array of shape (n, C, H, W), or (n, C, H, W, T) where samples change over time.

        Raises
        ------
        DataError
            A recording's file is missing or damaged.
        """
        chosen = np.asarray(chosen)
        if isinstance(self.encoder, Frames):
            recordings = [self.inputs[int(index)] for index in chosen]
            names = [self.inputs.name(int(index)) for index in chosen]
            return self.encoder.encode(recordings, self.inputs.sensor, self.time_steps, names)
        images = self.inputs[chosen]
        if self.augmentation is not None and epoch is not None:
            images = self.augmentation.apply(images, self._generators(_AUGMENTATION, chosen, epoch))
        if self.encoder is None:
            return images
        generators = self._generators(_ENCODING, chosen, epoch)
        return self.encoder.encode(images, self.pixel_max, self.time_steps, generators)

    def over_time(self, steps: int, count: int | None = None) -> np.ndarray:
        """The first ``count`` inputs over time, in the layout of :func:`deploy.run`.

        Returns
        -------
        uint8 array of shape (N, T, C, H, W); a read-only view where samples are the same at every step.

        Raises
        ------
        DataError
            The samples are encoded for another T.
        """
        if not self.static and steps != self.time_steps:
            raise DataError(f"the samples are encoded over {self.time_steps} steps, not {steps}")
        # A slice of images that need no encoding is no copy.
        inputs = self.inputs[:count] if self.encoder is None else self.batch(np.arange(len(self))[:count])
        if not self.static:
            return np.moveaxis(inputs, -1, 1)
        shape = (len(inputs), steps, *inputs.shape[1:])
        return np.broadcast_to(inputs[:, None], shape)

    def part(self, chosen: np.ndarray) -> "Split":
        """Some of the samples, each with the random numbers that it has here."""
        chosen = np.asarray(chosen)
        held = isinstance(self.inputs, np.ndarray)
        return replace(
            self,
            inputs=self.inputs[chosen] if held else SomeRecordings(self.inputs, chosen),
            labels=self.labels[chosen],
            ids=self._identities()[chosen],
        )

    def hold_back(self, count: int, seed: int = 0) -> tuple["Split", "Split"]:
        """The split without ``count`` samples, and those, drawn by class: for choosing settings.

        The samples that are held back are not augmented.

        Raises
        ------
        DataError
            There are too few samples, here or to be held back, for the classes to be in both.
        """
        # Imported here: scikit-learn takes a second that most uses should not wait for.
        from sklearn.model_selection import train_test_split

        if not isinstance(count, int | np.integer):
            raise DataError(f"{count} samples cannot be held back; expected a whole number")
        try:
            rest, held = train_test_split(
                np.arange(len(self)), test_size=count, random_state=seed, stratify=self.labels
            )
        except ValueError as error:
            raise DataError(f"{count} of {len(self)} samples cannot be held back: {error}") from error
        return self.part(np.sort(rest)), replace(self.part(np.sort(held)), augmentation=None)

    def in_memory(self) -> "Split":
        """The split with its inputs encoded once and held: N x T x C x H x W bytes.

        For event files that are read again in every epoch.

        Raises
        ------
        DataError
            The encoder draws, or there is augmentation: every epoch has other inputs.
        """
        if self.augmentation is not None or (self.encoder is not None and self.encoder.random):
            raise DataError(
                "augmented and randomly encoded samples differ in every epoch and cannot be encoded once"
            )
        if self.encoder is None:
            return self
        inputs = self.batch(np.arange(len(self)))
        steps = None if self.static else self.time_steps
        return replace(self, inputs=inputs, time_steps=steps, encoder=None, pixel_max=None)

    def _identities(self) -> np.ndarray:
        return np.arange(len(self)) if self.ids is None else self.ids

    def _generators(
        self, stream: int, chosen: np.ndarray, epoch: int | None
    ) -> Iterator[np.random.Generator]:
        """A generator for each sample, made when it is first used."""
        for identity in self._identities()[chosen]:
            yield np.random.default_rng((self.seed, stream, epoch or 0, int(identity)))


def _check_arrays(inputs: object, labels: object) -> None:
    """Refuse tensors and other things that look like arrays."""
    for name, values in (("inputs", inputs), ("labels", labels)):
        if isinstance(values, np.ndarray) or (name == "inputs" and hasattr(values, "sensor")):
            continue
        how = f"{name}.numpy()" if hasattr(values, "numpy") else f"numpy.asarray({name})"
        raise DataError(f"{name} are a {type(values).__name__}; expected a NumPy array; give {how}")


def _check_labels(labels: np.ndarray) -> None:
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(
            f"labels are {labels.dtype} {labels.shape}; expected whole numbers (N,), the classes from 0"
        )
    if len(labels) and labels.min() < 0:
        raise DataError(f"a label is {labels.min()}; expected the classes from 0")


def _check_whole(inputs: np.ndarray, largest: int) -> None:
    if inputs.dtype.kind not in "iu":
        raise DataError(
            f"inputs are {inputs.dtype}; expected whole numbers from 0 to {largest}, as"
            f" (images * {largest}).round().astype(numpy.uint8) makes of images from 0 to 1"
        )
    if inputs.size and not (inputs.min() >= 0 and inputs.max() <= largest):
        raise DataError(
            f"inputs are from {inputs.min()} to {inputs.max()}; expected 0 to {largest}: scale them, or give"
            " a larger input_max"
        )
