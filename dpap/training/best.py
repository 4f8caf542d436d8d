"""The best epoch of a run, whose network is kept."""

from dataclasses import dataclass
from typing import Any

from dpap.errors import InputError
from dpap.state import checked_record
from dpap.training.history import EpochRecord


@dataclass(frozen=True)
class Best:
    """The epoch whose network is kept as the best.

    Attributes
    ----------
    epoch : int
        From 1.
    accuracy : float
        That it was chosen by: of validation where samples are held back, otherwise of training. The test
        split plays no part.
    pruning_rate : float
    meets_budget : bool
        Where there is one that is measured.
    """

    epoch: int
    accuracy: float
    pruning_rate: float
    meets_budget: bool = False

    @classmethod
    def of(cls, record: EpochRecord, meets_budget: bool = False) -> "Best":
        """An epoch as a candidate."""
        held_back = record.validation_accuracy
        accuracy = record.train_accuracy if held_back is None else held_back
        return cls(record.epoch, accuracy, record.pruning_rate, meets_budget)

    @classmethod
    def from_state(cls, state: Any, epochs: int) -> "Best":
        """What :func:`dataclasses.asdict` made of one, from a file, after so many epochs.

        Raises
        ------
        InputError
            It is not one.
        """
        best = checked_record(cls, state, "best")
        if not 1 <= best.epoch <= epochs:
            raise InputError(f"best, epoch: is {best.epoch}; expected 1 to {epochs}")
        return best

    def yields_to(self, other: "Best", within: float) -> bool:
        """Whether a later epoch is better: pruned otherwise, or as far and at least as accurate.

        One that meets the budget is better than any that does not. Where it is pruned less, something has
        grown back, and what was pruned too far is not wanted.
        """
        if other.meets_budget != self.meets_budget:
            return other.meets_budget
        return abs(other.pruning_rate - self.pruning_rate) > within or other.accuracy >= self.accuracy
