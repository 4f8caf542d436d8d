"""Temporary folders, and locks of folders that the system releases when their process ends."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None

_YOUNG = 60.0
"""Seconds in which a folder may be made and not locked yet."""


@contextmanager
def scratch_folder(parent: str | Path, prefix: str, suffix: str = "") -> Iterator[Path]:
    """A new folder that is removed at the end, and otherwise by the next one of the same name that is made.

    A process that is killed leaves its folder behind. Each folder is locked while its process runs, so one
    of the same prefix and suffix without a lock belongs to no process, and is removed.

    Parameters
    ----------
    parent : path
        Where it is made.
    prefix, suffix : str
        Of its name; random letters are put between.

    Raises
    ------
    OSError
        It cannot be made.
    """
    parent = Path(parent)
    _sweep(parent, prefix, suffix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent))
    try:
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; gives whether no other process, and no other context, holds it.

    Where the file system has no locks of folders, it counts as not held.

    Raises
    ------
    OSError
        The folder cannot be opened.
    """
    if fcntl is None:
        yield True
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _sweep(parent: Path, prefix: str, suffix: str) -> None:
    """Remove folders of processes that are gone."""
    if fcntl is None:
        return
    for entry in parent.iterdir():
        if not (entry.name.startswith(prefix) and entry.name.endswith(suffix)):
            continue
        try:
            ours = not entry.is_symlink() and entry.is_dir() and entry.stat().st_uid == os.getuid()
            if not ours or time.time() - entry.stat().st_mtime < _YOUNG:
                continue
            with locked(entry) as free:
                if free:
                    shutil.rmtree(entry, ignore_errors=True)
        except OSError:
            # Another process removes it too, or it may not be read.
            continue
