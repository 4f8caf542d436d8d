"""Cropping and mirroring: images moved and mirrored at random, differently in every epoch of training."""

from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class CropFlip(BaseModel):
    """Random crop of the padded image, and mirroring from left to right: CIFAR's customary augmentation.

    Source: K. He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2: 4 pixels of
    zeros on each side, and a crop of the image's own size or its mirror image.

    Attributes
    ----------
    padding : int
        Pixels of zeros on each side; the crop is moved by up to as many.
    flip : bool
        Mirror every other image on average.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    padding: int = Field(4, ge=0, le=64)
    flip: bool = True

    def apply(self, images: np.ndarray, generators: Iterable[np.random.Generator]) -> np.ndarray:
        """Augmented images.

        Parameters
        ----------
        images : array of shape (N, C, H, W)
        generators : iterable of numpy Generator
            One a sample, so that what becomes of it does not depend on its batch.

        Returns
        -------
        Array of the same shape and type.
        """
        height, width = images.shape[2:]
        around = (self.padding, self.padding)
        padded = np.pad(images, ((0, 0), (0, 0), around, around))
        augmented = np.empty_like(images)
        for index, generator in zip(range(len(images)), generators, strict=False):
            top, left = generator.integers(0, 2 * self.padding + 1, 2)
            crop = padded[index, :, top : top + height, left : left + width]
            mirror = self.flip and generator.random() < 0.5
            augmented[index] = crop[..., ::-1] if mirror else crop
        return augmented
