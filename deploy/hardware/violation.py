"""Violations of a chip's limits: the limits of a core as design rules."""

from dataclasses import asdict, dataclass

from deploy.errors import HardwareError


@dataclass(frozen=True)
class Violation:
    """One limit that is exceeded.

    Attributes
    ----------
    rule : str
        The resource that is limited: ``neurons``, ``synapse memory`` (bits), ``input axons``, ``output
        axons``, ``fan-in`` (axons of one neuron), ``weight bits``, ``threshold bits`` or ``delay`` (steps).
    where : str
        The layer, and the core where it is one: ``fc1, core 3``.
    actual, limit : int
    advice : str
        What to do.
    """

    rule: str
    where: str
    actual: int
    limit: int
    advice: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule} {self.actual:,}, at most {self.limit:,}; {self.advice}"

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return asdict(self)


class PlacementError(HardwareError):
    """A network cannot be placed on a target.

    Attributes
    ----------
    violation : Violation
    """

    def __init__(self, message: str, violation: Violation):
        super().__init__(message)
        self.violation = violation
