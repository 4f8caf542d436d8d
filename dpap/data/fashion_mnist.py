"""Fashion-MNIST: 70,000 pictures of clothes in the format of MNIST, read by torchvision."""

import numpy as np

from dpap.data.data_set import DataSet, Request
from dpap.data.mnist import LEVELS, SIDE, read_idx_images
from dpap.encoders import Direct


def _read(request: Request) -> tuple[np.ndarray, np.ndarray]:
    # Imported here: torchvision takes seconds that `import dpap.data` should not.
    from torchvision.datasets import FashionMNIST

    return read_idx_images("fashion-mnist", FashionMNIST, request)


DATA_SET = DataSet(
    name="fashion-mnist",
    source="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
    classes=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    sample_shape=(1, SIDE, SIDE),
    pixel_max=255,
    encoder=Direct(input_max=LEVELS),
    time_steps=8,
    time_steps_source="chosen here: the paper has no results on this data set",
    counts=(60_000, 10_000),
    folder="fashion_mnist",
    read=_read,
)
