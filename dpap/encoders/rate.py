"""Rate encoding: the value is the probability of a spike."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dpap.encoders.validation import check_images
from dpap.errors import InputError


class Rate(BaseModel):
    r"""Rate encoding: independent Bernoulli spikes at every step.

    .. math:: P(s_t = 1) = g\, \frac{p}{p_{max}}, \qquad t = 0 \dots T-1

    A pixel of 0 never fires; at a gain of 1 the brightest fires at every step. Source: the Bernoulli form
    of a Poisson spike train, as in snnTorch's ``spikegen.rate``.

    Attributes
    ----------
    gain : float
        :math:`g`, the probability of the brightest pixel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: ClassVar[str] = "images"
    over_time: ClassVar[bool] = True
    random: ClassVar[bool] = True

    kind: Literal["rate"] = "rate"
    gain: float = Field(1.0, gt=0, le=1)

    def largest(self, pixel_max: int) -> int:
        """Largest number in what is encoded: spikes are 0 or 1."""
        return 1

    def encode(
        self,
        images: np.ndarray,
        pixel_max: int,
        time_steps: int,
        generators: Iterable[np.random.Generator],
    ) -> np.ndarray:
        """Spikes of images.

        Parameters
        ----------
        images : unsigned array of shape (N, C, H, W)
        pixel_max, time_steps : int
            :math:`p_{max}` and T.
        generators : iterable of numpy Generator
            One a sample, so that a sample's spikes do not depend on the batch that it is in.

        Returns
        -------
        uint8 array of shape (N, C, H, W, T), of 0 and 1.

        Raises
        ------
        InputError
            A pixel is out of range, the shape or the type is wrong, or there are too few generators.
        """
        check_images(images, pixel_max, time_steps)
        count, *shape = images.shape
        # A generator's numbers are below 1, so that a probability of 1 always fires, and 0 never.
        probability = (self.gain * np.arange(pixel_max + 1) / pixel_max).astype(np.float32)[images]
        # Time first in memory, as networks work.
        spikes = np.empty((time_steps, count, *shape), np.uint8)
        drawn = 0
        for sample, generator in zip(range(count), generators, strict=False):
            draws = generator.random((time_steps, *shape), dtype=np.float32)
            np.less(draws, probability[sample], out=spikes[:, sample], casting="unsafe")
            drawn += 1
        if drawn < count:
            raise InputError(f"{drawn} generators for {count} images; rate encoding needs one for each")
        return np.moveaxis(spikes, 0, -1)
