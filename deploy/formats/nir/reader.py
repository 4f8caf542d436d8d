"""Reading NIR files that others wrote: checked before the package ``nir`` reads them.

nir reads HDF5 by h5py and unpickles nothing, but it reads every data set whole, whatever its size, and
follows links into other files.
"""

from pathlib import Path

import h5py
import numpy as np

from deploy.errors import FormatError
from deploy.formats.h5 import MAX_ELEMENTS
from deploy.formats.nir.package import import_nir

MAX_OBJECTS = 1 << 16
"""Groups and data sets of a file."""

MAX_DEPTH = 12
"""Groups within groups; a subgraph takes three."""

MAX_TEXT = 1 << 24
"""Bytes of all text."""


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
    try:
        with h5py.File(path, "r") as file:
            _Scan().group(file)
        graph = nir.read(path, type_check=False)
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
    if not isinstance(graph, nir.NIRGraph):
        raise FormatError(f"{path}: a single {type(graph).__name__}; expected a NIRGraph")
    return graph


class _Scan:
    """Everything that a file holds, counted without reading it."""

    def __init__(self):
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
        if string is None:
            return
        if string.length is not None:
            self._count_text(string.length * (data.size or 0))
            return
        # Many elements may be the same long text in the file, so only reading tells.
        self._count_text(data.size or 0)
        for index in np.ndindex(data.shape):
            self._count_text(len(data[index]))

    def _count_text(self, length: int) -> None:
        self.text += length
        if self.text > MAX_TEXT:
            raise FormatError(f"more than {MAX_TEXT} bytes of text")
