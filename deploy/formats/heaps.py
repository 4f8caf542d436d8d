"""Detection of damage in HDF5 files that crashes the HDF5 library.

Text of variable length is stored in *global heap collections* (HDF5 file format specification, version 3,
section III.E): the signature ``GCOL``, a version, the size, and objects with a header of 16 bytes each. The
library walks through the objects by their sizes, and where free space has the size zero it stays there for
ever.
"""

import mmap
import struct
from pathlib import Path

from deploy.errors import FormatError

_COLLECTION = b"GCOL\x01\x00\x00\x00"
_OBJECT = struct.Struct("<HHIQ")
"""Index (0 for free space), references, nothing, and size."""


def check_heaps(path: Path) -> None:
    """Walk through every global heap collection of a file, as the library would.

    Raises
    ------
    FormatError
        A collection does not fit the file, or an object not its collection.
    """
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_COLLECTION)
        while start >= 0:
            try:
                end = _check_collection(content, start)
            except ValueError as error:
                raise FormatError(f"{path}: {error}; the file is damaged") from error
            start = content.find(_COLLECTION, start + 1)
            if 0 <= start < end:
                raise FormatError(
                    f"{path}: the text at byte {start} begins within other text; the file is damaged"
                )


def _check_collection(content: mmap.mmap, start: int) -> int:
    position = start + len(_COLLECTION) + 8
    if position > len(content):
        raise ValueError(f"the text at byte {start} is cut off")
    (size,) = struct.unpack_from("<Q", content, position - 8)
    end = start + size
    if end > len(content):
        raise ValueError(f"the text at byte {start} has {size} bytes, more than the file")
    while position + _OBJECT.size <= end:
        index, _, _, length = _OBJECT.unpack_from(content, position)
        # Objects are padded to 8 bytes; the size of free space counts its header.
        needed = _OBJECT.size + (length + 7) // 8 * 8 if index else length
        if needed < _OBJECT.size or position + needed > end:
            raise ValueError(
                f"the text at byte {position} has an object of {length} bytes, which does not fit"
            )
        position += needed
    return end
