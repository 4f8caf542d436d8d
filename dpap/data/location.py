"""Folders of data sets, and typed errors in place of those of the libraries that read them."""

import contextlib
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from dpap.errors import DataError
from dpap.runtime.kernel_cache import user_cache

VARIABLE = "DPAP_DATA"
"""Environment variable that names the folder of data sets."""

LIBRARY_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    LookupError,
    EOFError,
    MemoryError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What torchvision, tonic and numpy raise on a file that is missing or damaged."""


def data_root(root: str | Path | None = None) -> Path:
    """The folder of data sets: ``root``, or else ``DPAP_DATA``, or else the user's cache folder.

    The last is ``dpap`` in ``XDG_CACHE_HOME`` where that is set, and ``~/.cache/dpap`` otherwise.
    """
    if root is not None:
        return Path(root).expanduser()
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    return user_cache() / "dpap"


def missing(name: str, path: Path, *, downloads: bool = True) -> DataError:
    """The error of a file or folder that is not there."""
    ways = f"set {VARIABLE} or root= to the folder that holds the data sets"
    if downloads:
        ways += f", or download it with dpap.data.load({name!r}, download=True)"
    return DataError(f"{name}: {path} is missing; {ways}")


@contextlib.contextmanager
def reading(what: str | Path) -> Iterator[None]:
    """Turn what a library raises on a damaged file into a :class:`~dpap.errors.DataError` that names it."""
    try:
        yield
    except DataError:
        raise
    except LIBRARY_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{what}: damaged, or not of the expected form ({reason})") from error


@contextlib.contextmanager
def downloading(name: str, folder: Path) -> Iterator[None]:
    """Let a library download: what it prints goes to standard error, and its errors name the data set."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except LIBRARY_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{name}: could not be downloaded to {folder} ({reason})") from error
