"""N-MNIST after noise removal and in bins of 1 ms: 875 recordings of each of the digits 0 to 7.

Made from N-MNIST's training part by tonic's ``Denoise(filter_time=10000)`` and bins of 1 ms, and written back
in N-MNIST's layout; both parts are from there, so that results are not results of N-MNIST's test part.
Licence: CC BY-SA 4.0, as N-MNIST. It cannot be downloaded.
"""

import numpy as np

from dpap.data.data_set import DataSet, Request
from dpap.data.nmnist import SENSOR, SOURCE, read_atis
from dpap.data.recordings import Recordings
from dpap.encoders import Frames
from dpap.errors import DataError

CLASSES = 8


def _read(request: Request) -> tuple[Recordings, np.ndarray]:
    if request.download:
        raise DataError("nmnist-1ms cannot be downloaded: it is made from N-MNIST")
    return read_atis("nmnist-1ms", request.folder / "NMNIST_1ms", request, CLASSES)


DATA_SET = DataSet(
    name="nmnist-1ms",
    source=f"made from N-MNIST: {SOURCE}",
    classes=tuple("01234567"),
    sample_shape=SENSOR,
    pixel_max=None,
    encoder=Frames(),
    time_steps=10,
    time_steps_source="chosen here: the paper has no results on this data set",
    counts=(6000, 1000),
    folder="nmnist_1ms",
    read=_read,
)
