"""Small data sets in their own formats, of which one file at a time is mutated."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dpap.data import load


def data_files(folder: Path) -> list[tuple[str, Path, str, Callable[[Path], None]]]:
    """Name, file, family of mutations and reader of each."""
    made = []
    for name, files in _trees(folder / "data").items():
        for place, family in files:
            # The reader puts what it reads into a tree of its own.
            root = folder / f"data-{len(made)}"
            shutil.copytree(folder / "data", root)
            reader = _reader(name, root, root / place.relative_to(folder / "data"))
            made.append((f"{name}/{place.name}", place, family, reader))
    return made


def _trees(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    random = np.random.default_rng(0)
    raw = folder / "mnist" / "MNIST" / "raw"
    images, labels = (raw / f"train-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    raw.mkdir(parents=True)
    images.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 20, 28, 28) + random.bytes(20 * 28 * 28))
    labels.write_bytes(struct.pack(">4B1I", 0, 0, 8, 1, 20) + bytes(range(10)) * 2)
    for path in (images, labels):
        path.with_name(path.name.replace("train", "t10k")).write_bytes(path.read_bytes())

    # Five bytes an event: x, y, polarity and microseconds (G. Orchard et al., 2015).
    saccade = folder / "nmnist" / "NMNIST" / "Train" / "0" / "00001.bin"
    saccade.parent.mkdir(parents=True)
    times = np.sort(random.integers(0, 300_000, 50))
    saccade.write_bytes(
        b"".join(
            struct.pack(">BBB", *random.integers(0, 34, 2), int(time) >> 16 | 128 * (index % 2))
            + struct.pack(">H", int(time) & 0xFFFF)
            for index, time in enumerate(times)
        )
    )

    gesture = folder / "dvs_gesture" / "DVSGesture" / "ibmGestureTrain" / "user01_lab" / "0.npy"
    gesture.parent.mkdir(parents=True)
    columns = [random.integers(0, 128, 60), random.integers(0, 128, 60), random.integers(0, 2, 60)]
    np.save(gesture, np.stack([*columns, np.sort(random.integers(0, 3000, 60))], 1).astype(np.float64))
    return {
        "mnist": [(images, "idx"), (labels, "idx")],
        "nmnist": [(saccade, "bytes")],
        "dvs-gesture": [(gesture, "npy")],
    }


def _reader(name: str, root: Path, place: Path) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        place.unlink()
        place.symlink_to(path)
        (split,) = load(name, "train", root=root, subset=True, time_steps=3)
        batch = split.batch(np.arange(len(split)))
        assert batch.min() >= 0
        assert batch.max() <= split.input_max

    return read
