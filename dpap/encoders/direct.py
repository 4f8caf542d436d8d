"""Direct encoding: the analog value itself, at every step."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dpap.encoders.validation import ENCODED_MAX, check_images


def quantize(images: np.ndarray, pixel_max: int, input_max: int) -> np.ndarray:
    r"""Pixels in fewer or more levels, rounded to the nearest and halves up.

    .. math:: x = \left\lfloor \frac{p}{p_{max}} x_{max} + \frac12 \right\rfloor

    Parameters
    ----------
    images : unsigned array of any shape
        :math:`p`, from 0 to ``pixel_max``.
    pixel_max, input_max : int
        :math:`p_{max}` and :math:`x_{max}`, each from 1 to 255.

    Returns
    -------
    uint8 array of the same shape.
    """
    if pixel_max == input_max:
        return images.astype(np.uint8, copy=False)
    # Every pixel value is quantised once; the images are then looked up.
    levels = (2 * np.arange(pixel_max + 1) * input_max + pixel_max) // (2 * pixel_max)
    return levels.astype(np.uint8)[images]


class Direct(BaseModel):
    """Direct encoding (:func:`quantize`): a pixel is a graded spike of its value, the same at every step.

    The first layer of neurons turns the analog values into spikes, as in the paper's networks: the authors'
    code has ``encode='direct'`` (BrainCog, examples/Structural_Development/DPAP, prun_main.py).

    Attributes
    ----------
    input_max : int, optional
        Largest number that the network is given; by default the pixels' own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: ClassVar[str] = "images"
    over_time: ClassVar[bool] = False
    random: ClassVar[bool] = False

    kind: Literal["direct"] = "direct"
    input_max: int | None = Field(None, ge=1, le=ENCODED_MAX)

    def largest(self, pixel_max: int) -> int:
        """Largest number in what is encoded: the network's ``input_max``."""
        return self.input_max or pixel_max

    def encode(
        self,
        images: np.ndarray,
        pixel_max: int,
        time_steps: int,
        generators: Iterable[np.random.Generator] = (),
    ) -> np.ndarray:
        """Images ``(N, C, H, W)`` as uint8 of the same shape; T and the generators play no part.

        Raises
        ------
        InputError
            A pixel is out of range, or the shape or the type is wrong.
        """
        check_images(images, pixel_max, time_steps)
        return quantize(images, pixel_max, self.largest(pixel_max))
