"""Progress of a training: a bar on a terminal, one line an epoch elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from dpap.training.history import EpochRecord


class TrainingProgress:
    """A context that draws a training's progress on standard error.

    Parameters
    ----------
    label : str
        Text before the bar.
    epochs : int
        Of the whole training.
    quiet : bool
        Write nothing where there is no terminal.
    console : Console, optional
        By default standard error.
    """

    def __init__(self, label: str, epochs: int, quiet: bool = False, console: Console | None = None):
        self.console = console or Console(stderr=True)
        self.epochs, self.quiet = epochs, quiet and not self.console.is_terminal
        self._seconds: list[float] = []
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[where]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=epochs, where="", note="")

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, what: str) -> None:
        """Write what runs where."""
        if not self.quiet:
            self.console.print(Text(what), soft_wrap=True)

    def step(self, epoch: int, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps of epoch ``epoch``, from 1, are done."""
        where = f"epoch {epoch} of {self.epochs}, step {done} of {total}"
        self._bar.update(self._task, completed=epoch - 1 + done / total, where=where)

    def epoch(self, record: EpochRecord) -> None:
        """Show an epoch that is done."""
        part, accuracy = record.held_out
        note = f"loss {record.loss:.4f}, {accuracy:6.1%} of {part} right, {record.pruning_rate:5.1%} pruned"
        where = f"epoch {record.epoch} of {self.epochs}"
        self._bar.update(self._task, completed=record.epoch, where=where, note=note)
        if record.seconds is not None:
            self._seconds.append(record.seconds)
        if not self.console.is_terminal and not self.quiet:
            self.console.print(Text(f"{where}: {note}{self._left(record.epoch)}"), soft_wrap=True)

    def _left(self, done: int) -> str:
        remaining = self.epochs - done
        if not self._seconds or not remaining:
            return ""
        seconds = round(sum(self._seconds) / len(self._seconds) * remaining)
        return f", about {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"
