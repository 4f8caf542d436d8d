"""The package ``nir``, which is optional."""

from types import ModuleType

from deploy.errors import ExportError, FormatError

STEP_SECONDS = 1e-4
"""Duration of a step where a file does not say it: what snnTorch and SpikingJelly write and read."""


def import_nir(error: type[ExportError] | type[FormatError]) -> ModuleType:
    """The package, or an error of the given type that says how to get it."""
    try:
        import nir
    except ModuleNotFoundError as missing:
        raise error(
            f"NIR files need the package {missing.name}, which is not installed; install dpap[nir]"
        ) from missing
    return nir
