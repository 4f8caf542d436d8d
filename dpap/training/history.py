"""The history of a training: a record of each epoch, and its convergence."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dpap.errors import InputError
from dpap.files.writing import read_limited
from dpap.state import checked_record

MAX_BYTES = 1 << 26
"""Of a history: more than a hundred thousand epochs."""


@dataclass(frozen=True)
class EpochRecord:
    """One row of a training's history.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        Mean over the epoch's batches.
    train_accuracy : float
        0 to 1, of the passes that were learned from.
    test_accuracy : float or None
        0 to 1; None where the test part was not looked at.
    pruning_rate : float
        0 to 1.
    validation_accuracy, validation_loss : float or None
        0 to 1, and the mean over samples, where samples are held back for validation. Of few samples the loss
        says more than how many are right.
    learning_rate : float or None
        In this epoch.
    seconds : float or None
        That the epoch took, with its measurements.
    budget : float or None
        What a budget limits, of the compiled network after the epoch: SynOps, joules or cores.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float | None
    pruning_rate: float
    validation_accuracy: float | None = None
    learning_rate: float | None = None
    seconds: float | None = field(default=None, compare=False)
    budget: float | None = None
    validation_loss: float | None = None

    @property
    def held_out(self) -> tuple[str, float]:
        """The part that the network did not learn from and its accuracy: ``test``, else ``validation``.

        ``training`` where neither was measured.
        """
        for part, accuracy in (("test", self.test_accuracy), ("validation", self.validation_accuracy)):
            if accuracy is not None:
                return part, accuracy
        return "training", self.train_accuracy


def checked_history(state: Any) -> list[EpochRecord]:
    """Epochs from 1 on, from a state that came from a file.

    Raises
    ------
    InputError
        It is not a list of what :func:`dataclasses.asdict` makes of records, or epochs are missing.
    """
    if not isinstance(state, list):
        raise InputError(f"history is a {type(state).__name__}; expected a list of epochs")
    history = [
        checked_record(EpochRecord, row, f"history, epoch {index}") for index, row in enumerate(state, 1)
    ]
    if [record.epoch for record in history] != list(range(1, len(history) + 1)):
        raise InputError("history: epochs are missing, or not in order")
    return history


def history_csv(histories: Mapping[str, Sequence[EpochRecord]]) -> str:
    """Epochs of one or more networks as CSV, the network's name in the first column.

    Columns that no record has are left out.
    """
    records = [record for history in histories.values() for record in history]
    names = [column.name for column in fields(EpochRecord)]
    columns = [name for name in names if any(getattr(record, name) is not None for record in records)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["network", *columns], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for network, history in histories.items():
        writer.writerows({"network": network} | asdict(record) for record in history)
    return buffer.getvalue()


def read_history(path: str | Path) -> dict[str, list[EpochRecord]]:
    """Read a ``history.csv``.

    Raises
    ------
    InputError
        The file is missing or damaged; the line is named.
    """
    path = Path(path)
    histories: dict[str, list[EpochRecord]] = {}
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        for row in reader:
            record = _record(row, f"{path}, line {reader.line_num}")
            histories.setdefault(row["network"], []).append(record)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a history ({error})") from error
    return histories


def _record(row: Mapping[str, str], where: str) -> EpochRecord:
    known = {column.name for column in fields(EpochRecord)}
    problem = set(row) - known - {"network"}
    if "network" not in row or problem or None in row.values():
        raise InputError(f"{where}: expected the columns network, {', '.join(sorted(known))}")
    try:
        values = {
            name: int(text) if name == "epoch" else float(text)
            for name, text in row.items()
            if name != "network" and text != ""
        }
        record = EpochRecord(**{"test_accuracy": None} | values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: not an epoch ({error})") from error
    if not all(math.isfinite(value) for value in values.values()):
        raise InputError(f"{where}: a value is not finite")
    return record


def epochs_to_reach(history: Sequence[EpochRecord], accuracy: float) -> int | None:
    """The first epoch with a test accuracy of at least so much; None where there is none."""
    for record in history:
        if record.test_accuracy is not None and record.test_accuracy >= accuracy:
            return record.epoch
    return None


@dataclass(frozen=True)
class Convergence:
    """How fast a network reached the best accuracy of its control.

    Attributes
    ----------
    accuracy : float
        The control's best test accuracy, 0 to 1.
    control_epochs : int
        Epochs after which the control first had it.
    epochs : int or None
        Epochs after which the network first had as much; None where it never did.
    """

    accuracy: float
    control_epochs: int
    epochs: int | None

    @property
    def speedup(self) -> float | None:
        """Epochs of the control over those of the network; None where it never got there."""
        return None if self.epochs is None else self.control_epochs / self.epochs


def convergence(history: Sequence[EpochRecord], control: Sequence[EpochRecord]) -> Convergence:
    """Epochs to reach the control's best accuracy, the paper's measure of convergence (Han et al. 2024).

    Parameters
    ----------
    history, control : sequence of EpochRecord
        Of the pruned network and of its unpruned control.

    Raises
    ------
    InputError
        The control has no epochs, or an epoch of either was not tested.
    """
    if not control:
        raise InputError("the control's history has no epochs; its best accuracy is not known")
    for whose, records in (("the run", history), ("the control", control)):
        untested = next((record.epoch for record in records if record.test_accuracy is None), None)
        if untested is not None:
            raise InputError(f"epoch {untested} of {whose} was not tested; train it with data.test")
    best = max(record.test_accuracy for record in control)
    return Convergence(best, epochs_to_reach(control, best), epochs_to_reach(history, best))
