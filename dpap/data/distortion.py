r"""Distortion: images turned, scaled, moved and bent at random, differently in every epoch of training.

The distorted image at the place :math:`p`, in pixels from the centre, is the image at

.. math::
    q = \frac{1}{s} \begin{pmatrix} \cos\theta & \sin\theta \\ -\sin\theta & \cos\theta \end{pmatrix} (p - m)
        + d(p)

between pixels bilinearly, and zero beyond the border. The angle :math:`\theta`, the factor :math:`s` and the
movement :math:`m` are uniform within their bounds; each component of :math:`d` is white Gaussian noise,
smoothed by a Gaussian of :math:`\sigma` pixels. Smoothing leaves it the standard deviation
:math:`1/(2\sigma\sqrt\pi)`, by which it is divided, so that the root mean square is the one that is set.

Source: P. Simard, D. Steinkraus, J. Platt, Best practices for convolutional neural networks applied to visual
document analysis, ICDAR 2003, section 2.
"""

import math
from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter1d


class Distortion(BaseModel):
    """Random rotation, scaling, movement and elastic deformation of images.

    Attributes
    ----------
    rotation : float
        Largest angle to either side, in degrees.
    scaling : float
        Largest change of size, as a share: 0.1 is from 0.9 to 1.1.
    shift : float
        Largest movement along each axis, in pixels.
    elastic : float
        Root mean square of the elastic displacement along each axis, in pixels.
    smoothness : float
        Standard deviation, in pixels, of the Gaussian that smooths it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation: float = Field(10.0, ge=0, le=180)
    scaling: float = Field(0.1, ge=0, lt=1)
    shift: float = Field(1.0, ge=0, le=64)
    elastic: float = Field(0.0, ge=0, le=64)
    smoothness: float = Field(4.0, gt=0, le=64)

    def apply(self, images: np.ndarray, generators: Iterable[np.random.Generator]) -> np.ndarray:
        """Distorted images, rounded to whole numbers.

        Parameters
        ----------
        images : uint8 array of shape (N, C, H, W)
        generators : iterable of numpy Generator
            One a sample, so that what becomes of it does not depend on its batch.

        Returns
        -------
        Array of the same shape and type.
        """
        # Imported here: to import the data sets takes no torch.
        import torch
        from torch.nn.functional import grid_sample

        height, width = images.shape[2:]
        drawn = [
            self._draw(height, width, generator) for _, generator in zip(images, generators, strict=False)
        ]
        # grid_sample places the outer edges of the border pixels at -1 and 1, and has the column first.
        rows, columns = self._sources(height, width, *map(np.stack, zip(*drawn, strict=True)))
        grid = torch.from_numpy(np.stack([2 * columns / width, 2 * rows / height], axis=-1))
        distorted = grid_sample(torch.from_numpy(images).float(), grid, align_corners=False)
        return distorted.round_().numpy().astype(images.dtype)

    def _draw(self, height: int, width: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Numbers from -1 to 1 for angle, factor and movement, and noise for the elastic displacement."""
        uniform = generator.uniform(-1, 1, 4)
        shape = (2, height, width) if self.elastic else (2, 1, 1)
        return uniform, generator.standard_normal(shape, dtype=np.float32)

    def _sources(
        self, height: int, width: int, uniform: np.ndarray, noise: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns, from the centre, that the pixels come from; float32 ``(N, H, W)`` each."""
        uniform = uniform.astype(np.float32)[:, :, None, None]
        angle = math.radians(self.rotation) * uniform[:, 0]
        factor = 1 + self.scaling * uniform[:, 1]
        rows = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2 - self.shift * uniform[:, 2]
        columns = np.arange(width, dtype=np.float32) - (width - 1) / 2 - self.shift * uniform[:, 3]
        cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
        sources = cosine * rows + sine * columns, cosine * columns - sine * rows
        if not self.elastic:
            return sources
        amplitude = self.elastic * 2 * self.smoothness * math.sqrt(math.pi)
        bent = amplitude * (self._smoothing(height) @ noise @ self._smoothing(width).T)
        return sources[0] + bent[:, 0], sources[1] + bent[:, 1]

    def _smoothing(self, size: int) -> np.ndarray:
        """The Gaussian along an axis as a matrix: by far faster than to filter, for images so small."""
        return gaussian_filter1d(np.eye(size, dtype=np.float32), self.smoothness, axis=0, mode="wrap")
