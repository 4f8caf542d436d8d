"""Loading a data set by its name."""

from pathlib import Path

import numpy as np

from dpap.data.augmentation import Augmentation
from dpap.data.data_set import DataSet, Request
from dpap.data.location import data_root
from dpap.data.registry import data_set
from dpap.data.split import Split
from dpap.encoders import Direct, Frames, Latency, Rate
from dpap.encoders.validation import check_steps
from dpap.errors import DataError

PARTS = ("train", "validation", "test")


def load(
    name: str,
    *parts: str,
    time_steps: int | None = None,
    encoder: Direct | Rate | Latency | Frames | None = None,
    validation: int = 0,
    validation_seed: int = 0,
    test_range: tuple[int, int] | None = None,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    download: bool = False,
    subset: bool = False,
) -> tuple[Split, ...]:
    """Load parts of a data set.

    Images stay in memory as they are, a byte a value, and event files are read when a batch needs them;
    both are encoded batch by batch.

    Parameters
    ----------
    name : str
        One of :data:`dpap.data.DATA_SETS`.
    *parts : str
        Any of ``train``, ``validation`` and ``test``; by default ``train`` and ``test``.
    time_steps : int, optional
        T, and the number of bins of event frames; by default the data set's.
    encoder : Direct, Rate, Latency or Frames, optional
        By default the data set's.
    validation : int
        Samples held back from the training part, the same share of each class. Choose settings on them, and
        measure on the test part once they are chosen.
    validation_seed : int
        Draws which.
    test_range : (int, int), optional
        First index and the one after the last of the test part that is taken.
    augmentation : CropFlip or Distortion, optional
        Of the training part.
    seed : int
        Of the random numbers of encoder and augmentation.
    root : path, optional
        The folder of data sets; by default what the environment variable ``DPAP_DATA`` names, or else
        ``dpap`` in the user's cache folder.
    download : bool
        Let torchvision or tonic download what is missing.
    subset : bool
        Accept fewer samples than the data set has.

    Returns
    -------
    tuple of Split
        In the order of ``parts``.

    Raises
    ------
    InputError
        T is not a number of steps, or frames are larger than the sensor.
    DataError
        A name, an argument or an encoder does not fit, or a file is missing, truncated or damaged; the
        message names it.
    """
    known = data_set(name)
    parts = parts or ("train", "test")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise DataError(f"part {unknown[0]!r} of {name} is not known; there are {', '.join(PARTS)}")
    if validation < 0 or (validation == 0 and "validation" in parts):
        raise DataError(f"validation is {validation}; say how many training samples to hold back")
    steps = known.time_steps if time_steps is None else time_steps
    check_steps(steps)
    encoder = known.encoder if encoder is None else encoder
    folder = data_root(root) / known.folder

    def split(train: bool) -> Split:
        try:
            samples, labels = known.read(Request(train, folder, download, subset))
        except OSError as error:
            raise DataError(f"{name}: {folder} cannot be read ({error})") from error
        _check_count(known, folder, train, len(labels), subset)
        return Split(
            inputs=samples,
            labels=labels,
            input_max=known.largest(encoder),
            time_steps=steps,
            encoder=encoder,
            pixel_max=known.pixel_max,
            seed=seed,
            augmentation=augmentation if train else None,
        )

    loaded: dict[str, Split] = {}
    if "train" in parts or "validation" in parts:
        loaded["train"] = split(train=True)
        if validation:
            loaded["train"], loaded["validation"] = loaded["train"].hold_back(validation, validation_seed)
    if "test" in parts:
        loaded["test"] = _in_range(split(train=False), name, test_range)
    return tuple(loaded[part] for part in parts)


def _check_count(known: DataSet, folder: Path, train: bool, count: int, subset: bool) -> None:
    part = "train" if train else "test"
    if not count:
        raise DataError(f"{known.name}: {folder} holds no {part} samples")
    if known.counts is None or subset:
        return
    expected = known.counts[not train]
    if count != expected:
        raise DataError(
            f"{known.name}: {folder} holds {count} {part} samples of {expected}; take what is there with"
            " subset=True, or download the whole with download=True"
        )


def _in_range(split: Split, name: str, chosen: tuple[int, int] | None) -> Split:
    if chosen is None:
        return split
    start, stop = chosen
    if not 0 <= start < stop <= len(split):
        raise DataError(
            f"test_range is {chosen}; expected a part of (0, {len(split)}), the test part of {name}"
        )
    return split.part(np.arange(start, stop))
