"""A run directory, whose files appear together at the end or not at all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from dpap.errors import InputError, StorageError
from dpap.files.scratch import scratch_folder
from dpap.files.writing import cannot_write, move_into_place, replaceable, write_text
from dpap.training import EpochRecord, history_csv


class RunDirectory:
    """Context manager: files are written beside the folder, and moved into it at the end without errors.

    Nothing is left behind after an error or an interruption; what a killed process left, the next one
    removes. Files that an earlier run left in the folder are replaced one by one; others stay.

    Parameters
    ----------
    path : Path
        The folder; it is made if it does not exist.

    Raises
    ------
    InputError
        The path is a file, or the folder cannot be written.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._withdrawn: list[str] = []

    def __enter__(self) -> "RunDirectory":
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is not a folder; choose another --out")
        parent = self.path if self.path.is_dir() else self.path.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._scratch = scratch_folder(parent, f".{self.path.name}.", ".part")
            self._draft = self._scratch.__enter__()
        except OSError as error:
            raise cannot_write(self.path, error, "; choose another --out") from error
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as failure:
            raise cannot_write(self.path, failure) from failure
        finally:
            self._scratch.__exit__(None, None, None)
        if isinstance(error, StorageError) and self._draft in Path(error.path).parents:
            raise StorageError(self.path, error.reason) from error

    def _finish(self) -> None:
        self.path.mkdir(exist_ok=True)
        drafts = sorted(path for path in self._draft.rglob("*") if not path.is_dir())
        places = {draft: self.path / draft.relative_to(self._draft) for draft in drafts}
        # All of them before the first, so that a place that cannot be replaced leaves the folder as it was.
        for place in places.values():
            replaceable(place)
        for name in self._withdrawn:
            (self.path / name).unlink(missing_ok=True)
        for draft, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            move_into_place(draft, place)

    def withdraw(self, *names: str) -> None:
        """Remove these files of an earlier run from the folder at the end, unless they are written again."""
        self._withdrawn.extend(names)

    def file(self, name: str) -> Path:
        """The temporary path of a file that will be moved into the folder, or into a folder of it."""
        draft = self._draft / name
        draft.parent.mkdir(parents=True, exist_ok=True)
        return draft

    def write_text(self, name: str, text: str) -> None:
        """Write UTF-8 text."""
        write_text(self.file(name), text)

    def write_json(self, name: str, content: Mapping) -> None:
        """Write JSON; values that JSON does not have, such as NaN, are refused."""
        self.write_text(name, json.dumps(content, indent=2, allow_nan=False) + "\n")

    def write_yaml(self, name: str, content: Mapping) -> None:
        """Write YAML in the order given."""
        self.write_text(name, yaml.safe_dump(dict(content), sort_keys=False))

    def write_history(self, name: str, histories: Mapping[str, Sequence[EpochRecord]]) -> None:
        """Write the epochs of one or more networks as CSV, the network's name in the first column."""
        self.write_text(name, history_csv(histories))
