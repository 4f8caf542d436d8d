r"""The sliding threshold of BCM plasticity.

.. math::
    \theta \leftarrow \frac{\theta\,(n - 1) + S_{post}}{n} \qquad (8)

``n`` counts the batches since learning began (9). Source: Han et al. 2024, eq. 8 and 9, which leave open
whose :math:`S_{post}` it is: here the batch's mean, one threshold a neuron (:class:`SlidingThreshold`). The
authors' code keeps one for every position in the batch (:class:`SlotThreshold`).

Where several processes share a batch (:mod:`dpap.runtime.reduction`), its mean is that of all of them.
"""

from typing import Any

import torch

from dpap.errors import InputError
from dpap.runtime.reduction import mean_over_ranks, most_over_ranks, rank, ranks, sum_over_ranks
from dpap.state import Shape


class SlidingThreshold:
    """Running mean of each postsynaptic trace over all batches since learning began (eq. 8, 9).

    Attributes
    ----------
    value : Tensor of shape (post,)
        The threshold.
    batches : int
        Batches seen.
    """

    def __init__(self, neurons: int, device: torch.device | None = None):
        self.value = torch.zeros(neurons, device=device)
        self.batches = 0

    def update(self, post_trace: torch.Tensor) -> torch.Tensor:
        """Take in one batch of traces ``(N, post)`` and return the new threshold."""
        self.batches += 1
        self.value += (mean_over_ranks(post_trace) - self.value) / self.batches
        return self.value

    def before(self, samples: int) -> torch.Tensor:
        """The threshold before a batch is taken in."""
        return self.value.clone()

    def reduce(self) -> None:
        """Every process has the same threshold already."""

    def state_dict(self) -> dict[str, Any]:
        """The threshold and its count."""
        return {"threshold": self.value, "threshold_batches": self.batches}

    def shapes(self) -> dict[str, Shape | None]:
        """The values of a state."""
        return {"threshold": (len(self.value),), "threshold_batches": None}

    def take(self, state: dict[str, Any]) -> None:
        """Restore a state whose shapes are right."""
        self.value.copy_(state["threshold"])
        self.batches = state["threshold_batches"]


class SlotThreshold:
    """A running mean for every position in the batch (the authors' code).

    A position that a smaller batch lacks keeps its mean and its count. Where several processes share a batch,
    each knows the thresholds of its own positions, and those of the others as of the last epoch's end.

    Attributes
    ----------
    value : Tensor of shape (positions, post)
        Thresholds of as many positions as the largest batch had, of all processes.
    counts : Tensor of shape (positions,)
        Batches that had the position.
    batches : int
        Batches seen.
    """

    def __init__(self, neurons: int, device: torch.device | None = None):
        self.value = torch.zeros(0, neurons, device=device)
        self.counts = torch.zeros(0, device=device)
        self.batches = 0

    def update(self, post_trace: torch.Tensor) -> torch.Tensor:
        """Take in one batch of traces ``(N, post)`` and return the new thresholds ``(N, post)``."""
        samples = len(post_trace)
        self._reach(samples)
        self.batches += 1
        counts, value = self._own(self.counts)[:samples], self._own(self.value)[:samples]
        counts += 1
        value += (post_trace - value) / counts[:, None]
        return value

    def before(self, samples: int) -> torch.Tensor:
        """The thresholds before a batch of this many samples is taken in."""
        self._reach(samples)
        return self._own(self.value)[:samples].clone()

    def reduce(self) -> None:
        """Learn what the other processes have of their positions."""
        if ranks() == 1:
            return
        self._extend(most_over_ranks(len(self.value), self.value.device))
        for kept in (self.value, self.counts):
            mine = self._own(kept).clone()
            kept.zero_()
            self._own(kept).copy_(mine)
            sum_over_ranks(kept)

    def _own(self, kept: torch.Tensor) -> torch.Tensor:
        """A view of this process's positions."""
        return kept[rank() :: ranks()]

    def _reach(self, samples: int) -> None:
        self._extend((samples - 1) * ranks() + rank() + 1 if samples else 0)

    def _extend(self, positions: int) -> None:
        missing = positions - len(self.value)
        if missing > 0:
            self.value = torch.cat([self.value, self.value.new_zeros(missing, self.value.shape[1])])
            self.counts = torch.cat([self.counts, self.counts.new_zeros(missing)])

    def state_dict(self) -> dict[str, Any]:
        """The thresholds and their counts."""
        return {
            "threshold": self.value,
            "threshold_counts": self.counts,
            "threshold_batches": self.batches,
        }

    def shapes(self) -> dict[str, Shape | None]:
        """The values of a state."""
        return {
            "threshold": (None, self.value.shape[1]),
            "threshold_counts": (None,),
            "threshold_batches": None,
        }

    def take(self, state: dict[str, Any]) -> None:
        """Restore a state whose shapes are right."""
        positions, counts = len(state["threshold"]), len(state["threshold_counts"])
        if positions != counts:
            raise InputError(
                f"threshold has {positions} positions, and threshold_counts {counts}; expected as many"
            )
        self.value = state["threshold"].to(self.value).clone()
        self.counts = state["threshold_counts"].to(self.counts).clone()
        self.batches = state["threshold_batches"]
