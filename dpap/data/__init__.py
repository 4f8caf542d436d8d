"""Data sets, as whole numbers that networks and hardware take alike."""

from dpap.data.augmentation import Augmentation, CropFlip, Distortion
from dpap.data.data_set import DataSet
from dpap.data.digits import load_digits
from dpap.data.loading import load
from dpap.data.registry import DATA_SETS, data_set
from dpap.data.split import Split

__all__ = [
    "DATA_SETS",
    "Augmentation",
    "CropFlip",
    "DataSet",
    "Distortion",
    "Split",
    "data_set",
    "load",
    "load_digits",
]
