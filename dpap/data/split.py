"""Samples with their labels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes
    ----------
    inputs : uint8 array of shape (N, C, H, W)
        Whole numbers from 0 to ``input_max``, the same at every time step.
    labels : int64 array of shape (N,)
    input_max : int
        The largest value, which stands for the real value 1.
    """

    inputs: np.ndarray
    labels: np.ndarray
    input_max: int

    def __len__(self) -> int:
        return len(self.labels)

    def over_time(self, steps: int, count: int | None = None) -> np.ndarray:
        """The first ``count`` inputs repeated over time: a read-only view of shape (N, T, C, H, W)."""
        inputs = self.inputs[:count]
        shape = (len(inputs), steps, *inputs.shape[1:])
        return np.broadcast_to(inputs[:, None], shape)
