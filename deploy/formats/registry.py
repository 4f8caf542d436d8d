"""Which format a file is written in, by its suffix."""

from importlib import import_module
from pathlib import Path

from deploy.errors import ExportError
from deploy.graph import Graph

FORMATS = {
    ".h5": "deploy.formats.h5",
    ".net": "deploy.formats.netx",
    ".nir": "deploy.formats.nir",
}
"""Module of each format by suffix, each with ``save(graph, path, **options)``; imported when it is used."""


def export(graph: Graph, path: str | Path, **options) -> None:
    """Write a graph for other software.

    Parameters
    ----------
    graph : Graph
    path : str or Path
        Its suffix names the format: ``.h5`` (:mod:`deploy.formats.h5`), ``.net``
        (:mod:`deploy.formats.netx`), or ``.nir`` (:mod:`deploy.formats.nir`).
    **options
        Of the format: for ``.nir`` the ``dt`` of a step in seconds.

    Raises
    ------
    ExportError
        The suffix is not known, the format cannot say a layer (named, with what to do), or the package that
        it needs is missing.
    InputError
        The folder cannot be written.
    """
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        raise ExportError(f"{path}: no format has the suffix {suffix!r}; use one of {', '.join(FORMATS)}")
    import_module(FORMATS[suffix]).save(graph, path, **options)
