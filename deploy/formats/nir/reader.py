"""Reading NIR files that others wrote: checked before the package ``nir`` reads them.

nir reads HDF5 by h5py and unpickles nothing, but it reads every data set whole, whatever its size, follows
links into other files, and waits for ever where text is damaged.
"""

from pathlib import Path

import h5py
import numpy as np

from deploy.errors import FormatError
from deploy.formats.h5 import MAX_ELEMENTS
from deploy.formats.heaps import check_heaps
from deploy.formats.nir.package import import_nir

MAX_OBJECTS = 1 << 16
"""Groups and data sets of a file."""

MAX_DEPTH = 12
"""Groups within groups; a subgraph takes three."""

MAX_TEXT = 1 << 24
"""Bytes of all text."""

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
"""What a data set of text has for each element: where it is in the file's heaps."""


def read_nir(path: str | Path):
    """Read a NIR file as a ``nir.NIRGraph``; its types are not checked.

    Raises
    ------
    FormatError
        The package nir is missing, or the file is missing, truncated, foreign, larger than any network, or
        not of NIR's structure.
    """
    nir = import_nir(FormatError)
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path}: no such file")
    check_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            _Scan(path).group(file)
            root = bytes(file["node/type"][()]).decode("utf-8")
        if root != "NIRGraph":
            raise FormatError(f"a single {root}; expected a NIRGraph")
        # nir computes shapes from whatever the file has.
        with np.errstate(all="ignore"):
            return nir.read(path, type_check=False)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
    ) as error:
        # What h5py and nir raise for damaged files differs by where the damage lies.
        raise FormatError(f"{path}: not a NIR file, or damaged ({type(error).__name__}: {error})") from error


class _Scan:
    """Everything that a file holds, counted without reading it."""

    def __init__(self, path: Path):
        self.path = path
        self.objects = self.elements = self.text = 0

    def group(self, group: h5py.Group, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise FormatError(f"groups within groups more than {MAX_DEPTH} deep")
        for name in group:
            self.objects += 1
            if self.objects > MAX_OBJECTS:
                raise FormatError(f"more than {MAX_OBJECTS} groups and data sets")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FormatError(f"{group.name}/{name}: a link to somewhere else")
            item = group[name]
            if isinstance(item, h5py.Group):
                self.group(item, depth + 1)
            elif isinstance(item, h5py.Dataset):
                self.dataset(item)
            else:
                raise FormatError(f"{group.name}/{name}: neither a group nor a data set")

    def dataset(self, data: h5py.Dataset) -> None:
        if data.external or data.is_virtual:
            raise FormatError(f"{data.name}: its values are in another file")
        string = h5py.check_string_dtype(data.dtype)
        if string is None and data.dtype.kind not in "iufb":
            raise FormatError(f"{data.name}: of type {data.dtype}; expected numbers or text")
        self.elements += data.size or 0
        if self.elements > MAX_ELEMENTS:
            raise FormatError(f"more than {MAX_ELEMENTS} numbers")
        if string is not None:
            self.text += string.length * data.size if string.length else self._text(data)
        if self.text > MAX_TEXT:
            raise FormatError(f"more than {MAX_TEXT} bytes of text")

    def _text(self, data: h5py.Dataset) -> int:
        """Bytes of text of variable length, from the references to it: HDF5 would allocate what they say."""
        offset = data.id.get_offset()
        if offset is None or data.id.get_storage_size() != data.size * _REFERENCE.itemsize:
            raise FormatError(f"{data.name}: text in chunks; expected it in one piece, as nir writes it")
        with self.path.open("rb") as file:
            file.seek(offset)
            raw = file.read(data.size * _REFERENCE.itemsize)
        return int(np.frombuffer(raw, _REFERENCE)["length"].sum(dtype=np.int64))
