"""The errors of the package.

Every message names the thing, its actual value, the limit, and what to do about it.
"""


class InputError(ValueError):
    """Something that was given is wrong. The command line prints it and exits with status 2."""


class NetworkError(InputError):
    """A network cannot be built or cannot take this input."""


class ActivationOverflow(NetworkError):  # noqa: N818 - it is the activation that overflows
    """Inputs drive a current or an activation beyond what the states and messages of its layer hold."""


class DataError(InputError):
    """A data set is missing, truncated, or not of the expected form."""


class StorageError(RuntimeError):
    """Storage is full or failed while a file was written. The command line prints it and exits with status 1.

    Attributes
    ----------
    path : path
        What was to be written.
    reason : str
        What the system says.
    """

    def __init__(self, path: object, reason: str):
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"cannot write {self.path}: {self.reason}; nothing of it is left: free some space, or choose"
            " another folder"
        )


class TrainingError(RuntimeError):
    """Training failed for a reason that is not the user's input, such as a loss that is not finite."""


class ConversionWarning(UserWarning):
    """A network that others made was converted on an assumption that its file or module does not settle."""


class PruningWarning(UserWarning):
    """Training accuracy fell far after synapses were pruned."""


class PrecisionWarning(UserWarning):
    """Rounding leaves a layer few distinct weights, or removes weights that were not zero."""
