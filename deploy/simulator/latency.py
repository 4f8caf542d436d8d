"""Latency of the steps of a streaming simulator."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StepLatency:
    """Time of a step, in seconds.

    Attributes
    ----------
    steps : int
        Steps that this is about.
    median, percentile_99, longest : float
        The percentile is a step's that took at least as long as 99 % of all; NaN where there was no step.
    """

    steps: int
    median: float
    percentile_99: float
    longest: float


class StepTimes:
    """The times of the last steps, at most ``capacity``: a stream may have no end."""

    def __init__(self, capacity: int):
        self._seconds = np.zeros(capacity)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Take in one step."""
        self._seconds[self._count % len(self._seconds)] = seconds
        self._count += 1

    def clear(self) -> None:
        """Forget all."""
        self._count = 0

    def latency(self) -> StepLatency:
        """Statistics of the times."""
        times = self._seconds[: min(self._count, len(self._seconds))]
        if not len(times):
            return StepLatency(0, float("nan"), float("nan"), float("nan"))
        late = np.percentile(times, 99, method="higher")
        return StepLatency(len(times), float(np.median(times)), float(late), float(times.max()))
