"""The folder of compiled kernels: one that the user can write.

Numba takes ``NUMBA_CACHE_DIR`` where it is set, else the ``__pycache__`` beside the source, else
``numba`` in the user's cache folder, and does not import a function where it can write none of them
(numba's documentation, "Notes on caching"). Then a folder for temporary files serves.
"""

import os
import stat
import sys
import tempfile
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def user_cache() -> Path:
    """The user's cache folder: ``XDG_CACHE_HOME`` where it is an absolute path, else ``~/.cache``."""
    named = os.environ.get("XDG_CACHE_HOME")
    # A relative path is to be ignored (XDG Base Directory Specification).
    return Path(named) if named and Path(named).is_absolute() else Path("~/.cache").expanduser()


def ensure_writable() -> None:
    """Name a folder for temporary files to numba where it could write no other."""
    beside = Path(__file__).parent / "__pycache__"
    if os.environ.get(VARIABLE) or _can_write(user_cache() / "numba") or _can_write(beside):
        return
    folder = str(_temporary_folder())
    os.environ[VARIABLE] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


def _can_write(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
    except OSError:
        return False
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _temporary_folder() -> Path:
    """A folder that this user alone can write: what numba finds in it, it runs."""
    folder = Path(tempfile.gettempdir()) / f"dpap-kernels-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="dpap-kernels-"))
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if private else Path(tempfile.mkdtemp(prefix="dpap-kernels-"))
