"""NumPy archives: written whole or not at all, and read without trust."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError

import numpy as np

from dpap.errors import InputError
from dpap.files.writing import write_bytes

MAX_MEMBERS = 8192
"""Arrays of an archive: a dozen for each of some hundred layers."""

MAX_TOTAL = 1 << 29
"""Bytes of all arrays of an archive, unpacked."""


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed archive of arrays by name, whole or not at all.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    # In memory: an archive on a full disk warns when it is closed, and NumPy would add a suffix to a name.
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def map_array(path: str | Path) -> np.ndarray:
    """The array of a ``.npy`` file, mapped into memory, so that nothing is allocated of what its header says.

    Raises
    ------
    ValueError
        The file is damaged, not of this form, or holds no numbers.
    OSError
        It cannot be read.
    """
    with Path(path).open("rb") as file:
        if file.peek(len(_ARCHIVE)).startswith(_ARCHIVE):
            raise ValueError("an archive; expected one array")
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"format {version[0]}.{version[1]}; arrays of numbers have 1.0 or 2.0")
        try:
            shape, _, dtype = _HEADERS[version](file)
        except (SyntaxError, TokenError, RecursionError, MemoryError) as error:
            # NumPy reads the header with Python's own parser, whose errors it hands on.
            raise ValueError(f"a header that cannot be parsed ({error})") from error
    # NumPy divides by an item's size where an extent is negative, and a division by zero ends the process.
    if dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise ValueError(f"items of type {dtype} in the shape {shape}")
    return np.load(path, mmap_mode="r", allow_pickle=False)


_ARCHIVE = b"PK\x03\x04"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def load_arrays(path: str | Path, largest: int, holds: str) -> dict[str, np.ndarray]:
    """Read what :func:`save_arrays` wrote; nothing in the file is executed.

    Parameters
    ----------
    path : path
    largest : int
        Bytes that an array may have, its header included, when it is unpacked.
    holds : str
        What the file should be, for errors: ``masks``.

    Raises
    ------
    InputError
        The file is missing, damaged or too large, or holds objects.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise InputError(f"{path}: {len(members):,} arrays; at most {MAX_MEMBERS:,}")
        for member in members:
            if member.file_size > largest:
                raise InputError(f"{path}: {member.filename} has {member.file_size} bytes, too many")
        total = sum(member.file_size for member in members)
        if total > MAX_TOTAL:
            raise InputError(f"{path}: {total:,} bytes in all, unpacked; at most {MAX_TOTAL:,}")
        if len({member.filename for member in members}) < len(members):
            raise InputError(f"{path}: two arrays of one name")
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except InputError:
        raise
    except Exception as error:
        # What a damaged archive raises is the choice of three libraries.
        raise InputError(f"{path}: not a file of {holds}, or damaged ({error})") from error
    if not arrays:
        raise InputError(f"{path}: holds no {holds}")
    if not all(isinstance(values, np.ndarray) for values in arrays.values()):
        raise InputError(f"{path}: holds something that is no array")
    return arrays
