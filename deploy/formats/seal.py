"""A seal on a file: what was written is what is read, or the file is refused before anything parses it.

HDF5 leaves a block at the start of a file to its user. Here it holds a mark and the SHA-256 of all that
follows. Damage is so noticed by this module, and not by HDF5, which can hang on it.
"""

import hashlib
from pathlib import Path

from deploy.errors import FormatError

BLOCK_BYTES = 512
"""The least user block that HDF5 knows."""

MARK = b"dpap sealed file, SHA-256 of what follows this block of 512 bytes:\n"

_CHUNK_BYTES = 1 << 20


def seal(path: str | Path) -> None:
    """Write mark and digest into the block at the start of a file, which is there already."""
    line = MARK + _digest(path).encode() + b"\n"
    with Path(path).open("r+b") as file:
        file.write(line.ljust(BLOCK_BYTES, b"\0"))


def check_seal(
    path: str | Path, what: str = "model file", remedy: str = "write it again with graph.save"
) -> None:
    """Check a file against its seal.

    Parameters
    ----------
    path : path
    what, remedy : str
        For the error: what it should be, and what to do.

    Raises
    ------
    FormatError
        There is none, or the file is not what was sealed.
    """
    with Path(path).open("rb") as file:
        block = file.read(BLOCK_BYTES)
    if not block.startswith(MARK):
        raise FormatError(f"{path}: not a {what} of this program, or its beginning is damaged")
    expected = (MARK + _digest(path).encode() + b"\n").ljust(BLOCK_BYTES, b"\0")
    if block != expected:
        raise FormatError(
            f"{path}: damaged: its content is not what was written (the SHA-256 differs); {remedy}"
        )


def _digest(path: str | Path) -> str:
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        file.seek(BLOCK_BYTES)
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()
