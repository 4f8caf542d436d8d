"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, read by torchvision."""

from pathlib import Path
from typing import Any

import numpy as np

from dpap.data.data_set import UNKNOWN_TIME_STEPS, DataSet, Request
from dpap.data.idx import check_idx
from dpap.data.location import downloading, missing, reading
from dpap.encoders import Direct
from dpap.errors import DataError

SIDE = 28

CLASSES = 10

LEVELS = 15
"""Default levels of grey above black. With them the first convolution keeps weights of full range: by 9 or
27 synapses of at most 254 no sum reaches Lava's bound of 2**17."""


def read_idx_images(name: str, library_class: Any, request: Request) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a data set in the files of MNIST.

    Parameters
    ----------
    name : str
        Of the data set, for errors.
    library_class : type
        torchvision's ``MNIST`` or one of its kind; it looks in ``folder/<name of the class>/raw``.
    request : Request

    Returns
    -------
    images : uint8 array of shape (N, 1, 28, 28)
    labels : int64 array of shape (N,)

    Raises
    ------
    DataError
        A file is missing, truncated or not what it should be, or cannot be downloaded.
    """
    raw = request.folder / library_class.__name__ / "raw"
    files = [raw / Path(archive).stem for archive, _ in library_class.resources]
    if request.download and not all(file.is_file() for file in files):
        with downloading(name, request.folder):
            library_class(str(request.folder), download=True)
    for file in files:
        if not file.is_file():
            archive = file.with_name(f"{file.name}.gz")
            if archive.is_file():
                raise DataError(
                    f"{name}: {file} is missing, but {archive.name} is there; unpack it with gunzip"
                )
            raise missing(name, file)
    part = "train" if request.train else "t10k"
    image_file, label_file = raw / f"{part}-images-idx3-ubyte", raw / f"{part}-labels-idx1-ubyte"
    count = check_idx(image_file, (None, SIDE, SIDE))
    labelled = check_idx(label_file, (None,))
    if labelled != count:
        raise DataError(f"{label_file}: {labelled} labels for the {count} images of {image_file.name}")
    with reading(raw):
        data = library_class(str(request.folder), train=request.train, download=False)
    labels = data.targets.numpy().astype(np.int64)
    if labels.max() >= CLASSES:
        raise DataError(f"{label_file}: a label is {labels.max()}; expected 0 to {CLASSES - 1}")
    return data.data.numpy()[:, None], labels


def _read(request: Request) -> tuple[np.ndarray, np.ndarray]:
    # Imported here: torchvision takes seconds that `import dpap.data` should not.
    from torchvision.datasets import MNIST

    return read_idx_images("mnist", MNIST, request)


DATA_SET = DataSet(
    name="mnist",
    source="Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits",
    classes=tuple("0123456789"),
    sample_shape=(1, SIDE, SIDE),
    pixel_max=255,
    encoder=Direct(input_max=LEVELS),
    time_steps=8,
    time_steps_source=UNKNOWN_TIME_STEPS,
    counts=(60_000, 10_000),
    folder="mnist",
    read=_read,
)
