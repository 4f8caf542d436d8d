"""The folder of a training run."""

from pathlib import Path

from dpap.errors import InputError
from dpap.files import cannot_write, write_text

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
        ``checkpoint.pt``, the network of the best epoch, and ``last.pt``, from which the run goes on.
    development : Path
        ``development.npz`` (:meth:`dpap.pruning.Development.save`).
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.config = self.folder / "config.yaml"
        self.history = self.folder / "history.csv"
        self.best = self.folder / "checkpoint.pt"
        self.last = self.folder / "last.pt"
        self.development = self.folder / "development.npz"

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, ``last.pt`` first."""
        return self.last, self.best, self.history, self.development, self.config

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise an :class:`~dpap.errors.InputError` unless a run can begin, or go on, here."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is not a folder; choose another --out")
        if resume and not self.config.is_file():
            raise InputError(f"{self.folder} holds no run to resume: there is no config.yaml")
        held = [path.name for path in self.all if path.exists()]
        if held and not (resume or overwrite):
            raise InputError(
                f"{self.folder} holds a run ({', '.join(held)}); --resume it, --overwrite it, or choose"
                " another --out"
            )

    def begin(self, config: str, *, keep: bool) -> None:
        """Make the folder with its configuration; what is there of an earlier run goes, unless it is kept.

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.all:
                # What a run that was killed was about to write.
                for part in self.folder.glob(f".{path.name}.*.part"):
                    part.unlink()
                if not keep:
                    path.unlink(missing_ok=True)
            if not keep:
                for name in MADE_OF_CHECKPOINT:
                    (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error, "; choose another --out") from error
        if not (keep and self.config.is_file()):
            write_text(self.config, config)

    def write_history(self, text: str) -> None:
        """Write ``history.csv``."""
        write_text(self.history, text)
