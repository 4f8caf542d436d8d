"""Validation of the structure of an HDF5 file, before any of it is read.

HDF5 follows links and virtual data sets into other files, and allocates what a few bytes say an array has.
"""

from math import prod
from pathlib import Path

import h5py
import numpy as np

from deploy.errors import FormatError

MAX_OBJECTS = 1 << 16
"""Groups and data sets of a file."""

MAX_ATTRIBUTES = 64
"""Of a group or a data set."""

MAX_DEPTH = 12
"""Groups within groups; a subgraph takes three, and a graph in a recording five."""

MAX_BYTES = 1 << 30
"""Of all arrays that are read at once, unpacked."""

MAX_CHUNK = 1 << 27
"""Bytes of a chunk, which HDF5 allocates whole, and once more for each filter."""

SMALL_BYTES = 1 << 28
"""What a file of any size may take, unpacked."""

MAX_PACKING = 64
"""Times its own size that a file may take beyond that."""

MAX_TEXT = 1 << 24
"""Bytes of all text in data sets."""

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
"""What a data set of text has for each element: where it is in the file's heaps."""

_FILTERS = frozenset((h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32))


def scan_hdf5(file: h5py.File, path: Path, read_in_parts: tuple[str, ...] = ()) -> None:
    """Refuse a file that leads elsewhere, or holds more than any network.

    Parameters
    ----------
    file : h5py.File
    path : Path
        Where it is.
    read_in_parts : tuple of str
        Names in the root of what is larger than memory; their bytes do not count.

    Raises
    ------
    FormatError
        It has a link that is not hard, a virtual or external data set, values of another type than numbers
        and text, an unknown filter, or too many or too large members.
    """
    try:
        _Scan(path, read_in_parts).group(file)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


class _Scan:
    """Everything that a file holds, counted without reading it."""

    def __init__(self, path: Path, read_in_parts: tuple[str, ...]):
        self.path, self.read_in_parts = path, read_in_parts
        self.objects = self.bytes = self.text = 0
        self.largest = min(MAX_BYTES, max(SMALL_BYTES, MAX_PACKING * path.stat().st_size))

    def group(self, group: h5py.Group, depth: int = 0, counts: bool = True) -> None:
        if depth > MAX_DEPTH:
            raise FormatError(f"groups within groups more than {MAX_DEPTH} deep")
        self.attributes(group)
        for name in group:
            self.objects += 1
            if self.objects > MAX_OBJECTS:
                raise FormatError(f"more than {MAX_OBJECTS} groups and data sets")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FormatError(f"{group.name}/{name}: a link to somewhere else")
            item = group[name]
            counted = counts and not (depth == 0 and name in self.read_in_parts)
            if isinstance(item, h5py.Group):
                self.group(item, depth + 1, counted)
            elif isinstance(item, h5py.Dataset):
                self.dataset(item, counted)
            else:
                raise FormatError(f"{group.name}/{name}: neither a group nor a data set")

    def attributes(self, item: h5py.Group | h5py.Dataset) -> None:
        count = h5py.h5a.get_num_attrs(item.id)
        if count > MAX_ATTRIBUTES:
            raise FormatError(f"{item.name}: {count} attributes; at most {MAX_ATTRIBUTES}")

    def dataset(self, data: h5py.Dataset, counts: bool) -> None:
        self.attributes(data)
        if data.external or data.is_virtual:
            raise FormatError(f"{data.name}: its values are in another file")
        settings = data.id.get_create_plist()
        filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
        if not _FILTERS.issuperset(filters) or len(set(filters)) < len(filters):
            raise FormatError(
                f"{data.name}: packed by filters {sorted(filters)}; expected each of {sorted(_FILTERS)}"
                " at most once"
            )
        chunk = prod(data.chunks or ()) * data.dtype.itemsize
        if chunk > min(MAX_CHUNK, self.largest):
            raise FormatError(f"{data.name}: chunks of {chunk} bytes; at most {MAX_CHUNK}")
        string = h5py.check_string_dtype(data.dtype)
        if string is None and data.dtype.kind not in "iufb":
            raise FormatError(f"{data.name}: of type {data.dtype}; expected numbers or text")
        self.bytes += (data.size or 0) * data.dtype.itemsize if counts else 0
        if self.bytes > self.largest:
            raise FormatError(
                f"{data.name}: more than {self.largest} bytes of numbers with those before, too many for a"
                " file of this size"
            )
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
