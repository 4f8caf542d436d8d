"""Atomic writing of files: whole or not at all, and only in place of regular files."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from dpap.errors import InputError, StorageError

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
"""Numbers of errors that say that storage failed, and not that a path is wrong."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a temporary file beside ``path``, then move it into place.

    A symbolic link stays, and the file that it leads to is replaced. Nothing is left of a write that fails.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written, or the path is that of a folder, a pipe or a device.
    StorageError
        Storage is full, or failed.
    """
    target = replaceable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(path, error, "; choose another folder") from error
    temporary = Path(name)
    try:
        write(temporary)
        # mkstemp makes files private; a result is an ordinary file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes atomically."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def move_into_place(draft: Path, path: Path) -> None:
    """Move a finished file to where :func:`replaceable` lets it be.

    Raises
    ------
    InputError, StorageError
        As :func:`write_atomically`.
    """
    target = replaceable(path)
    try:
        draft.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise cannot_write(path, error) from error
        # A link can lead to another file system.
        write_atomically(target, lambda temporary: shutil.copyfile(draft, temporary))
        draft.unlink()


def replaceable(path: str | Path) -> Path:
    """The path with symbolic links followed; a regular file is there, or nothing.

    Raises
    ------
    InputError
        Something else is there, or links lead in a circle.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return target
    except OSError as error:
        raise cannot_write(path, error, "; choose another folder") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"cannot write {path}: it is {kind_of_file(mode)}; choose the name of a file")
    return target


def check_regular(path: str | Path) -> None:
    """Refuse an input that is a pipe, a device or a folder, which reading would wait for.

    Raises
    ------
    InputError
        The path is that of something else than a file.
    OSError
        There is nothing, or it cannot be looked at.
    """
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: it is {kind_of_file(mode)}; expected a file")


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file.

    Raises
    ------
    InputError
        The file has more bytes than the limit, or is none.
    OSError
        It cannot be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(f"{path}: it has more than {limit:,} bytes, which no such file needs")
    return content


def kind_of_file(mode: int) -> str:
    """The kind of a path that is not a regular file, in words."""
    return next((name for test, name in _KINDS if test(mode)), "a symbolic link that leads in a circle")


def cannot_write(path: str | Path, error: OSError, remedy: str = "") -> InputError | StorageError:
    """The error for a path that the system refuses to write."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageError(path, reason)
    return InputError(f"cannot write {path}: {reason}{remedy}")
