"""Versions of the packages that a result depends on."""

import platform
from importlib import metadata

PACKAGES = ("dpap", "torch", "lava-nc", "lava-dl", "numpy", "scipy", "numba", "scikit-learn", "h5py")
"""Distributions whose versions go into every run directory."""


def versions() -> dict[str, str]:
    """Version of Python and of each package; ``not installed`` where one is missing."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def versions_header(command: str) -> str:
    """Comment lines for the head of a configuration file: the command that made it, and all versions."""
    lines = (f"# {name} {version}\n" for name, version in versions().items())
    return "".join((f"# Made by {command} with\n", *lines))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
