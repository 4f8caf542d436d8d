"""Values of a hardware description: each with its unit, its evidence and its source."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from deploy.errors import UnknownValue

UNITS: dict[str, tuple[str, float]] = {
    "J": ("energy", 1),
    "mJ": ("energy", 1e3),
    "uJ": ("energy", 1e6),
    "nJ": ("energy", 1e9),
    "pJ": ("energy", 1e12),
    "s": ("time", 1),
    "ms": ("time", 1e3),
    "us": ("time", 1e6),
    "ns": ("time", 1e9),
    "W": ("power", 1),
    "mW": ("power", 1e3),
    "count": ("count", 1),
    "bit": ("bits", 1),
    "byte": ("memory", 1),
    "KiB": ("memory", 1 / 1024),
    "percent": ("ratio", 1e2),
    "times": ("ratio", 1),
}
"""Every unit that a description may use: what it measures, and how many of it make one SI unit."""

WRONG_VALUE = "value"
"""Type of the validation errors of :func:`wrong_value`."""

Evidence = Literal["sim", "fit", "meas", "arch", "vendor", "derived", "unknown"]


class Description(BaseModel):
    """A part of a hardware description: unknown fields are refused, nothing is converted or changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Quantity(Description):
    """A value with its unit, evidence and source.

    Attributes
    ----------
    value : float or None
        Finite and not negative; None exactly where the evidence is ``unknown``.
    unit : str
        One of :data:`UNITS`.
    evidence : str
        ``sim``, ``fit``, ``meas``, ``arch``, ``vendor``, ``derived`` or ``unknown``.
    source : str
        Where it was published.
    note : str or None
    """

    value: float | None = Field(ge=0, allow_inf_nan=False)
    unit: Literal[tuple(UNITS)]
    evidence: Evidence
    source: str = Field(min_length=1)
    note: str | None = None
    _field: str = PrivateAttr("a value")

    @model_validator(mode="after")
    def _unknown_is_null(self) -> "Quantity":
        if self.value is None and self.evidence != "unknown":
            raise wrong_value("value", f"a number, since its evidence is {self.evidence} and not unknown")
        if self.value is not None and self.evidence == "unknown":
            raise wrong_value("value", "null, since its evidence is unknown")
        return self

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def si(self) -> float:
        """The value in joules, seconds, watts, bits, bytes, or as a plain number.

        Raises
        ------
        UnknownValue
            The value is unknown.
        """
        if self.value is None:
            raise UnknownValue(
                f"{self._field} is unknown ({self.source}), and this estimate needs it; describe the hardware"
                " in a file of your own if you know it, or ask for a lower bound (unknown: bound)"
            )
        return self.value / UNITS[self.unit][1]

    @property
    def whole(self) -> int:
        """The value of a count, of bits or of bytes, as an integer."""
        return int(self.si)


def wrong_value(field: str, expected: str) -> PydanticCustomError:
    """A validation error about one field, its name dotted and relative to what is validated."""
    return PydanticCustomError(WRONG_VALUE, "{expected}", {"field": field, "expected": expected})


def _measures(dimension: str, whole: bool = False, least: int = 0) -> AfterValidator:
    units = ", ".join(unit for unit, (kind, _) in UNITS.items() if kind == dimension)

    def check(quantity: Quantity) -> Quantity:
        if UNITS[quantity.unit][0] != dimension:
            raise wrong_value("unit", f"a unit of {dimension}: {units}")
        if whole and quantity.known and (quantity.value % 1 or quantity.value < least):
            raise wrong_value("value", f"a whole number of at least {least}")
        return quantity

    return AfterValidator(check)


Energy = Annotated[Quantity, _measures("energy")]
Time = Annotated[Quantity, _measures("time")]
Power = Annotated[Quantity, _measures("power")]
Ratio = Annotated[Quantity, _measures("ratio")]
Bits = Annotated[Quantity, _measures("bits", whole=True)]
Count = Annotated[Quantity, _measures("count", whole=True, least=1)]
Memory = Annotated[Quantity, _measures("memory", whole=True)]


class Cost(Description):
    """The cost of one operation.

    Attributes
    ----------
    energy : Quantity
    time : Quantity
    """

    energy: Energy
    time: Time


def quantities(part: object, path: str = "") -> Iterator[tuple[str, Quantity]]:
    """Every quantity below ``part`` with its dotted path, in the order of the description."""
    if isinstance(part, Quantity):
        yield path, part
        return
    if isinstance(part, dict):
        children = part.items()
    elif isinstance(part, BaseModel):
        children = ((key, getattr(part, key)) for key in type(part).model_fields)
    else:
        return
    for key, child in children:
        yield from quantities(child, f"{path}.{key}" if path else str(key))


def name_fields(part: object, path: str) -> None:
    """Give every quantity below ``part`` the name of its field, for its errors."""
    for name, quantity in quantities(part, path):
        quantity._field = name
