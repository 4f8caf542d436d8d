"""Handwritten digits that install with scikit-learn: 1797 real images of 8 x 8 pixels, values 0 to 16.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
1998 (its test set), as ``sklearn.datasets.load_digits``.
"""

import numpy as np

from dpap.data.data_set import DataSet, Request
from dpap.data.split import Split
from dpap.encoders import Direct

TEST_SAMPLES = 450
"""Images in the test split; the other 1347 are for training."""

TRAINING_SAMPLES = 1347

INPUT_MAX = 16
"""Largest pixel value."""

SIDE = 8

_SPLIT_SEED = 0


def load_digits() -> tuple[Split, Split]:
    """Training and test split, stratified by class and the same on every call."""
    # Imported here: scikit-learn takes a second that `import dpap` should not.
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    digits = datasets.load_digits()
    images = digits.images.astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SAMPLES, random_state=_SPLIT_SEED, stratify=labels
    )
    return (
        Split(images[train], labels[train], INPUT_MAX),
        Split(images[test], labels[test], INPUT_MAX),
    )


def _read(request: Request) -> tuple[np.ndarray, np.ndarray]:
    split = load_digits()[not request.train]
    return split.inputs, split.labels


DATA_SET = DataSet(
    name="digits",
    source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998; in scikit-learn",
    classes=tuple("0123456789"),
    sample_shape=(1, SIDE, SIDE),
    pixel_max=INPUT_MAX,
    encoder=Direct(),
    time_steps=8,
    time_steps_source="chosen here: the paper has no results on this data set",
    counts=(TRAINING_SAMPLES, TEST_SAMPLES),
    folder="",
    read=_read,
)
