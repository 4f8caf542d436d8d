"""Writing HDF5 where storage can fill up.

Where the HDF5 library cannot write, it cannot close the file either, and ends the process with a segmentation
fault when it tries again at exit. Here it writes to memory, or to a file object that it can always close.
"""

import io
from collections.abc import Callable
from pathlib import Path

import h5py


def write_hdf5(path: Path, fill: Callable[[h5py.File], None], block_bytes: int = 0) -> None:
    """Make an HDF5 file in memory, and write it at once.

    Parameters
    ----------
    path : Path
        Written in place; see :func:`dpap.files.writing.write_atomically`.
    fill : callable
        Takes the open file.
    block_bytes : int
        Of the user block before the HDF5.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=block_bytes) as file:
        fill(file)
    path.write_bytes(image.getbuffer())


class ClosableFile(io.FileIO):
    """A file for h5py that never fails while the library writes, and says afterwards that it did.

    After the first failure what is written goes nowhere, so that the library gets rid of what it still holds;
    :meth:`check` raises the failure.

    Attributes
    ----------
    failure : OSError or None
        Why the file is not complete.
    """

    def __init__(self, path: Path):
        super().__init__(path, "w+")
        self.failure: OSError | None = None
        self._end = 0

    def check(self) -> None:
        """Raise OSError where something could not be written."""
        if self.failure is not None:
            raise self.failure

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; the end is where it would be had nothing failed."""
        if whence == io.SEEK_END:
            offset, whence = self._end + offset, io.SEEK_SET
        return super().seek(offset, whence)

    def write(self, content) -> int:
        """Write all of the content, or nothing from now on."""
        left = memoryview(content).cast("B")
        size, stop = left.nbytes, self.tell() + left.nbytes
        try:
            # A full system writes the first part of what does not fit, and says so at the next.
            while left and self.failure is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.failure = error
        self._end = max(self._end, self.seek(stop))
        return size

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file."""
        self._end = self.tell() if size is None else size
        try:
            if self.failure is None:
                super().truncate(self._end)
        except OSError as error:
            self.failure = error
        return self._end
