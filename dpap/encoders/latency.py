"""Latency encoding: the brighter a pixel, the earlier its one spike."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dpap.encoders.validation import check_images


class Latency(BaseModel):
    r"""Latency encoding: time to first spike, linear in brightness.

    .. math::
        t = \left\lfloor (T-1) \left(1 - \frac{p}{p_{max}}\right) + \frac12 \right\rfloor
        \quad \text{where } \frac{p}{p_{max}} \ge \theta

    A pixel fires once, the brightest at step 0, and one below the threshold never. Source: snnTorch's
    ``spikegen.latency`` with ``linear``, ``normalize`` and ``clip`` (its halves are rounded to even).

    Attributes
    ----------
    threshold : float
        :math:`\theta`, the relative brightness from which a pixel fires.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: ClassVar[str] = "images"
    over_time: ClassVar[bool] = True
    random: ClassVar[bool] = False

    kind: Literal["latency"] = "latency"
    threshold: float = Field(0.01, gt=0, le=1)

    def largest(self, pixel_max: int) -> int:
        """Largest number in what is encoded: spikes are 0 or 1."""
        return 1

    def encode(
        self,
        images: np.ndarray,
        pixel_max: int,
        time_steps: int,
        generators: Iterable[np.random.Generator] = (),
    ) -> np.ndarray:
        """Spikes of images; the generators play no part.

        Parameters
        ----------
        images : unsigned array of shape (N, C, H, W)
        pixel_max, time_steps : int
            :math:`p_{max}` and T.

        Returns
        -------
        uint8 array of shape (N, C, H, W, T), of 0 and 1.

        Raises
        ------
        InputError
            A pixel is out of range, or the shape or the type is wrong.
        """
        check_images(images, pixel_max, time_steps)
        values = np.arange(pixel_max + 1)
        step = (2 * (time_steps - 1) * (pixel_max - values) + pixel_max) // (2 * pixel_max)
        # A step that is never reached stands for no spike.
        first = np.where(values / pixel_max >= self.threshold, step, time_steps)[images]
        # Time first in memory, as networks work.
        steps = np.arange(time_steps).reshape(-1, 1, 1, 1, 1)
        return np.moveaxis((first == steps).view(np.uint8), 0, -1)
