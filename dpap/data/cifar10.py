"""CIFAR-10: 60,000 photographs of 32 x 32 pixels in ten classes.

The whole set is read by torchvision from ``cifar10/cifar-10-batches-py``; its files are pickles, which
torchvision opens only where their checksums are the published ones. A subset is one NumPy archive a part,
``cifar10/cifar10_train*.npz`` and ``cifar10_test*.npz``, with ``images`` uint8 ``(N, 32, 32, 3)`` and
``labels`` uint8 ``(N,)``; nothing in it is unpickled.
"""

from pathlib import Path

import numpy as np

from dpap.data.data_set import DataSet, Request
from dpap.data.location import downloading, missing, reading
from dpap.data.mnist import LEVELS
from dpap.encoders import Direct
from dpap.errors import DataError, InputError
from dpap.files.arrays import load_arrays

MAX_ARRAY = 1 << 28
"""Bytes of an array: more than 60,000 images."""

SIDE, CHANNELS, CLASSES = 32, 3, 10


def _read(request: Request) -> tuple[np.ndarray, np.ndarray]:
    # Imported here: torchvision takes seconds that `import dpap.data` should not.
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import calculate_md5

    official = request.folder / CIFAR10.base_folder
    archives = sorted(request.folder.glob(f"cifar10_{'train' if request.train else 'test'}*.npz"))
    if request.subset and archives:
        if len(archives) > 1:
            names = ", ".join(archive.name for archive in archives)
            raise DataError(f"cifar10: {request.folder} holds {names}; keep one of them there")
        return read_archive(archives[0])
    files = [(official / name, checksum) for name, checksum in [*CIFAR10.train_list, *CIFAR10.test_list]] + [
        (official / CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    ]
    if request.download and not all(file.is_file() for file, _ in files):
        with downloading("cifar10", request.folder):
            CIFAR10(str(request.folder), download=True)
    for file, checksum in files:
        if not file.is_file():
            if archives and not official.exists():
                raise DataError(
                    f"cifar10: {official} is missing; {archives[0].name} beside it is a subset, which is"
                    " taken with subset=True"
                )
            raise missing("cifar10", file)
        found = calculate_md5(str(file))
        if found != checksum:
            raise DataError(f"{file}: damaged: its MD5 checksum is {found}; expected {checksum}")
    with reading(official):
        data = CIFAR10(str(request.folder), train=request.train, download=False)
    images = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))
    return images, np.array(data.targets, np.int64)


def read_archive(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a NumPy archive.

    Returns
    -------
    images : uint8 array of shape (N, 3, 32, 32)
    labels : int64 array of shape (N,)

    Raises
    ------
    DataError
        The file is truncated or not such an archive.
    """
    try:
        archive = load_arrays(path, MAX_ARRAY, "images and labels")
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise DataError(f"{path}: damaged, or not of the expected form ({reason})") from error
    absent = {"images", "labels"} - set(archive)
    if absent:
        raise DataError(f"{path}: has no {' and no '.join(sorted(absent))}; expected images and labels")
    images, labels = archive["images"], archive["labels"]
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, CHANNELS) or not len(images):
        raise DataError(
            f"{path}: images are {images.dtype} {images.shape}; expected uint8"
            f" (N, {SIDE}, {SIDE}, {CHANNELS})"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataError(f"{path}: labels are {labels.dtype} {labels.shape}; expected uint8 ({len(images)},)")
    if labels.max() >= CLASSES:
        raise DataError(f"{path}: a label is {labels.max()}; expected 0 to {CLASSES - 1}")
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels.astype(np.int64)


DATA_SET = DataSet(
    name="cifar10",
    source="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    sample_shape=(CHANNELS, SIDE, SIDE),
    pixel_max=255,
    encoder=Direct(input_max=LEVELS),
    time_steps=8,
    time_steps_source=(
        "the authors' code: step = 8 in BrainCog, examples/Structural_Development/DPAP, prun_main.py"
    ),
    counts=(50_000, 10_000),
    folder="cifar10",
    read=_read,
)
