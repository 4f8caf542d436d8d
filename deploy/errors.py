"""The errors of the package. Every message names the thing, its actual value, the limit, and what to do."""

from dpap.errors import ActivationOverflow, InputError

__all__ = [
    "ActivationOverflow",
    "BackendError",
    "BackendUnavailable",
    "CompileError",
    "ExportError",
    "FormatError",
    "HardwareError",
    "InputError",
    "UnknownValue",
]


class CompileError(InputError):
    """A network has a layer that cannot be compiled exactly."""


class FormatError(InputError):
    """A file is not of the expected format: truncated, foreign, of another version, or inconsistent."""


class ExportError(InputError):
    """A format cannot say what a graph is; the layer is named."""


class HardwareError(InputError):
    """A hardware description or its name is wrong, or it lacks a required value."""


class UnknownValue(HardwareError):  # noqa: N818 - it is the value that is unknown, not the error
    """A required value is unknown in a hardware description."""


class BackendUnavailable(InputError):  # noqa: N818 - the name is part of the contract
    """A backend cannot run here; the message says what is missing."""


class BackendError(RuntimeError):
    """A backend failed, or did not end within its time limit."""
