"""IDX files, the format of MNIST: checked by their headers, so that a damaged one is named.

A file has two zero bytes, the type (8: bytes), the number of dimensions, each dimension as a big-endian
32-bit number, and the values. Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database.
"""

import math
import struct
from pathlib import Path

from dpap.errors import DataError

BYTES = 8
"""The type of unsigned bytes."""


def check_idx(path: Path, shape: tuple[int | None, ...]) -> int:
    """Check an IDX file of bytes, and give back how many samples it has.

    Parameters
    ----------
    path : Path
        Exists.
    shape : tuple of int or None
        Dimensions that it must have; None for the number of samples.

    Raises
    ------
    DataError
        The file is not IDX, or has other dimensions, or is shorter or longer than its header says.
    """
    length = 4 + 4 * len(shape)
    with path.open("rb") as file:
        header = file.read(length)
    expected = "x".join("N" if size is None else str(size) for size in shape)
    if len(header) < length or header[:4] != bytes([0, 0, BYTES, len(shape)]):
        raise DataError(
            f"{path}: starts with {header[:4].hex(' ')}; expected an IDX file of {expected} bytes"
        )
    found = struct.unpack(f">{len(shape)}I", header[4:])
    if any(size not in (None, actual) for size, actual in zip(shape, found, strict=True)) or found[0] < 1:
        raise DataError(f"{path}: an IDX file of {'x'.join(map(str, found))} bytes; expected {expected}")
    size = length + math.prod(found)
    actual = path.stat().st_size
    if actual != size:
        state = "truncated" if actual < size else "too long"
        raise DataError(f"{path}: {state}: {actual} bytes; expected {size} by its header")
    return found[0]
