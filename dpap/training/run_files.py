"""The folder of a training run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpap.checkpoint import BEST_FILE, LAST_FILE, OLD_FILES
from dpap.errors import InputError
from dpap.files.scratch import locked
from dpap.files.writing import cannot_write, write_text

MADE_OF_CHECKPOINT = (
    "model.h5",
    "certificate.json",
    "measurement.json",
    "estimate.json",
    "comparison.json",
    "early_exit.json",
    "report.html",
)
"""What ``dpap report`` adds to the folder; of an earlier run, it says nothing of a new one."""


CONTROL = "control"
"""The folder in a run's folder that holds its control's run, where there is one."""


class RunFiles:
    """The files of a run, each of which appears whole or not at all.

    Parameters
    ----------
    folder : path

    Attributes
    ----------
    config, history : Path
        ``config.yaml`` and ``history.csv``.
    best, last : Path
        ``checkpoint.safetensors``, the network of the best epoch, and ``last.safetensors``, from which the
        run goes on.
    pruning_history : Path
        ``development.npz`` (:meth:`dpap.pruning.PruningHistory.save`).
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.config = self.folder / "config.yaml"
        self.history = self.folder / "history.csv"
        self.best = self.folder / BEST_FILE
        self.last = self.folder / LAST_FILE
        self.pruning_history = self.folder / "development.npz"
        self._held: list[str] | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, ``last.safetensors`` first."""
        return self.last, self.best, self.history, self.pruning_history, self.config

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise an :class:`~dpap.errors.InputError` unless a run can begin, or resume, here."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is not a folder; choose another --out")
        if resume and not self.config.is_file():
            raise InputError(f"{self.folder} holds no run to resume: there is no config.yaml")
        if resume and not self.last.is_file():
            self.check_version()
        held = self._held = self._holds()
        if held and not (resume or overwrite):
            raise InputError(
                f"{self.folder} holds a run ({', '.join(held)}); --resume it, --overwrite it, or choose"
                " another --out"
            )

    def check_version(self) -> None:
        """Raise an :class:`~dpap.errors.InputError` where an earlier version left files of other names."""
        old = [name for name in OLD_FILES if (self.folder / name).exists()]
        if old:
            raise InputError(
                f"{self.folder}: the run is of a version whose files ({', '.join(old)}) are not read any"
                " more; train it again, with dpap train --overwrite or another --out"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder, and keep other trainings out of it.

        Raises
        ------
        InputError
            Another training is running in the folder, or began one there since :meth:`check`, or the folder
            cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error, "; choose another --out") from error
        with locked(self.folder) as free:
            if not free:
                raise InputError(
                    f"{self.folder}: another training is running in this folder; wait for it, or choose"
                    " another --out"
                )
            if self._held is not None and self._held != self._holds():
                raise InputError(
                    f"{self.folder}: another training began a run here in the meantime; --resume it,"
                    " --overwrite it, or choose another --out"
                )
            yield

    def _holds(self) -> list[str]:
        return [path.name for path in self.all if path.exists()]

    def begin(self, config: str, *, keep: bool) -> None:
        """Make the folder with its configuration; what is there of an earlier run goes, unless it is kept.

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The control of a run that is replaced is none of the new one.
            stale = () if keep else RunFiles(self.folder / CONTROL).all
            for path in (*self.all, *stale):
                # What a run that was killed was about to write.
                for part in path.parent.glob(f".{path.name}.*.part"):
                    part.unlink()
                if not keep:
                    path.unlink(missing_ok=True)
            if not keep:
                for name in (*MADE_OF_CHECKPOINT, *OLD_FILES):
                    (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error, "; choose another --out") from error
        if not (keep and self.config.is_file()):
            write_text(self.config, config)

    def write_history(self, text: str) -> None:
        """Write ``history.csv``."""
        write_text(self.history, text)
