"""The registry of formats, by name or by the file's suffix."""

from importlib import import_module
from pathlib import Path

from deploy.errors import ExportError
from deploy.ir import Graph
from dpap.errors.expected_objects import expect
from dpap.errors.known_names import suggestion

FORMATS = {
    "h5": "deploy.formats.h5",
    "netx": "deploy.formats.netx",
    "nir": "deploy.formats.nir",
    "sana-fe": "deploy.formats.sana_fe",
}
"""Module of each format by name, each with ``save(graph, path, **options)``; imported when it is used."""

SUFFIXES = {".h5": "h5", ".net": "netx", ".nir": "nir"}
"""Format of each suffix. What SANA-FE reads is a folder, and has none."""


def export(graph: Graph, path: str | Path, format: str | None = None, **options) -> None:
    """Write a graph for other software.

    Parameters
    ----------
    graph : Graph
    path : str or Path
    format : str, optional
        ``h5`` (:mod:`deploy.formats.h5`), ``netx`` (:mod:`deploy.formats.netx`), ``nir``
        (:mod:`deploy.formats.nir`) or ``sana-fe`` (:mod:`deploy.formats.sana_fe`, a folder); by default what
        the path's suffix says: ``.h5``, ``.net`` or ``.nir``.
    **options
        Of the format: for ``nir`` the ``dt`` of a step in seconds, for ``sana-fe`` the ``inputs`` of a sample
        and the ``hardware``.

    Raises
    ------
    ExportError
        The format is not known, it cannot say a layer (named, with what to do), or the package that it needs
        is missing.
    InputError
        The folder cannot be written.
    """
    expect(graph, Graph, "graph", "deploy.export(graph, path)")
    import_module(FORMATS[format_of(path, format)]).save(graph, path, **options)


def format_of(path: str | Path, format: str | None = None) -> str:
    """The name of the format that a file is to be written in; raises as :func:`export`."""
    if format is None:
        suffix = Path(path).suffix
        if suffix not in SUFFIXES:
            raise ExportError(
                f"{path}: no format has the suffix {suffix!r}; use one of {', '.join(SUFFIXES)}, or name a"
                f" format: {', '.join(FORMATS)}"
            )
        return SUFFIXES[suffix]
    if format not in FORMATS:
        raise ExportError(
            f"there is no format {format!r}; use one of {', '.join(FORMATS)}{suggestion(format, FORMATS)}"
        )
    return format
