"""Augmentation: images changed at random, differently in every epoch of training."""

from dpap.data.crop_flip import CropFlip
from dpap.data.distortion import Distortion

Augmentation = CropFlip | Distortion
"""How the images of a training split may be augmented; chosen by the fields that are given."""
