"""Data sets by name."""

from dpap.data import (
    cifar10,
    digits,
    digits_events,
    dvs_gesture,
    fashion_mnist,
    mnist,
    nmnist,
    nmnist_1ms,
)
from dpap.data.data_set import DataSet
from dpap.errors import DataError
from dpap.errors.known_names import suggestion

DATA_SETS: dict[str, DataSet] = {
    module.DATA_SET.name: module.DATA_SET
    for module in (
        digits,
        digits_events,
        mnist,
        fashion_mnist,
        cifar10,
        nmnist,
        nmnist_1ms,
        dvs_gesture,
    )
}
"""Every data set that :func:`dpap.data.load` knows."""


def data_set(name: str) -> DataSet:
    """The description of a data set.

    Raises
    ------
    DataError
        There is none of that name.
    """
    if name not in DATA_SETS:
        raise DataError(
            f"data set {name!r} is not known; there are {', '.join(DATA_SETS)}{suggestion(name, DATA_SETS)}"
        )
    return DATA_SETS[name]
