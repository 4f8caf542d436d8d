"""Reading NIR files that others wrote: checked before the package ``nir`` reads them.

nir reads HDF5 by h5py and unpickles nothing, but it reads every data set whole, whatever its size, follows
links into other files, and waits for ever where text is damaged.
"""

from pathlib import Path

import h5py
import numpy as np

from deploy.errors import FormatError
from deploy.formats.hdf5.scan import scan_hdf5
from deploy.formats.heaps import check_heaps
from deploy.formats.nir.package import import_nir


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
            scan_hdf5(file, path)
            root = bytes(file["node/type"][()]).decode("utf-8")
        if root != "NIRGraph":
            raise FormatError(f"{path}: a single {root}; expected a NIRGraph")
        # nir computes shapes from whatever the file has.
        with np.errstate(all="ignore"):
            return nir.read(path, type_check=False)
    except FormatError:
        raise
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
        # What h5py and nir raise for damaged files depends on where the damage is.
        raise FormatError(f"{path}: not a NIR file, or damaged ({type(error).__name__}: {error})") from error
