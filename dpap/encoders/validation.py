"""Validation of the inputs of encoders: images of whole numbers from 0 to a largest value, and steps."""

import numpy as np

from dpap.errors import InputError
from dpap.limits import MOST_STEPS

ENCODED_MAX = 255
"""Largest number that an encoder gives: encoded samples are of one byte."""


def check_images(images: np.ndarray, pixel_max: int, time_steps: int) -> None:
    """Raise an :class:`~dpap.errors.InputError` if these are not images or T is not a number of steps.

    Parameters
    ----------
    images : unsigned array of shape (N, C, H, W)
    pixel_max : int
        The value that stands for 1.
    time_steps : int
    """
    if images.ndim != 4 or not np.issubdtype(images.dtype, np.integer):
        raise InputError(
            f"images of shape {images.shape} and type {images.dtype}; expected whole numbers (N, C, H, W)"
        )
    if not 1 <= pixel_max <= ENCODED_MAX:
        raise InputError(f"pixel_max is {pixel_max}; expected 1 to {ENCODED_MAX}")
    if images.size and (images.min() < 0 or images.max() > pixel_max):
        raise InputError(f"pixels from {images.min()} to {images.max()}; expected 0 to {pixel_max}")
    check_steps(time_steps)


def check_steps(time_steps: int) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless T is a whole number from 1 to 65,536."""
    if not isinstance(time_steps, int | np.integer) or not 1 <= time_steps <= MOST_STEPS:
        raise InputError(f"time_steps is {time_steps}; expected a whole number from 1 to {MOST_STEPS}")
