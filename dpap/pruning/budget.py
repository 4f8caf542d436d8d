"""Budgets of a compiled network, and their notation: ``energy=5uJ:loihi1/sanafe_fit``."""

import math
import re
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dpap.errors import InputError

Quantity = Literal["synops", "energy", "cores"]

JOULES = {"J": 0, "mJ": -3, "uJ": -6, "\u00b5J": -6, "\u03bcJ": -6, "nJ": -9}
"""Units of energy as powers of ten of a joule; micro also by its sign, and by the Greek letter like it."""

EXAMPLES = {"synops": "synops=2e5", "energy": "energy=5uJ:loihi1/sanafe_fit", "cores": "cores=8:loihi1"}

_AMOUNT = re.compile(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?)([^\d\s.+-]*)", re.ASCII)

_DESCRIPTIONS = (".yaml", ".yml")


class Budget(BaseModel):
    """The most that an inference of the compiled network may take.

    It can be given as text: ``synops=2e5``, ``energy=5uJ:loihi1/sanafe_fit``, ``cores=8:loihi1``.

    Attributes
    ----------
    quantity : str
        ``synops``, effective synaptic operations; ``energy``, dynamic; or ``cores``.
    limit : float
        SynOps or joules an inference, as a mean over samples, or a whole number of cores.
    hardware : str, optional
        A target by its name, or the path of its YAML file; of energy and cores.
    cost_set : str, optional
        By which energy is priced. May be left out where the target has only one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantity: Quantity
    limit: float = Field(gt=0, allow_inf_nan=False)
    hardware: str | None = Field(None, min_length=1, max_length=4096)
    cost_set: str | None = Field(None, min_length=1, max_length=256)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _fields(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> "Budget":
        example = EXAMPLES[self.quantity]
        if self.quantity == "synops" and (self.hardware or self.cost_set):
            raise ValueError(f"SynOps are counted on no hardware; give the number alone, as in {example}")
        if self.quantity != "synops" and self.hardware is None:
            raise ValueError(f"a budget of {self.quantity} needs the hardware, as in {example}")
        if self.quantity == "cores" and self.cost_set is not None:
            raise ValueError(f"cores have no cost set; leave /{self.cost_set} out, as in {example}")
        if self.quantity == "cores" and not (self.limit.is_integer() and self.limit >= 1):
            raise ValueError(f"cores are {self.limit:g}; expected a whole number from 1, as in {example}")
        return self

    @property
    def unit(self) -> str:
        """The unit of the limit."""
        return {"synops": "SynOps", "energy": "J", "cores": "cores"}[self.quantity]

    def written(self, value: float) -> str:
        """A value of the quantity with its unit, as text."""
        if self.quantity == "energy":
            return f"{value * 1e6:.4g} uJ"
        return f"{value:,.0f} {self.unit}"

    def __str__(self) -> str:
        amount = f"{self.limit!r}J" if self.quantity == "energy" else f"{self.limit:.17g}"
        parts = [f":{self.hardware}" if self.hardware else "", f"/{self.cost_set}" if self.cost_set else ""]
        return f"{self.quantity}={amount}{''.join(parts)}"


def parse_budget(text: str) -> Budget:
    """A budget from its text.

    Parameters
    ----------
    text : str
        ``synops=NUMBER``, ``energy=NUMBER`` with a unit of :data:`JOULES`, then ``:HARDWARE/COST_SET``, or
        ``cores=NUMBER:HARDWARE``. Nothing is left out or put between.

    Raises
    ------
    InputError
        It is none; what is wrong and an example are named.
    """
    fields = _fields(text)
    try:
        return Budget(**fields)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"budget {_short(text)}: {said}") from error


def _fields(text: str) -> dict[str, Any]:
    quantity, separator, rest = text.partition("=")
    if not separator or quantity not in EXAMPLES:
        known = " or ".join(EXAMPLES.values())
        raise InputError(f"budget {_short(text)} is not known; write it as in {known}")
    amount, _, place = rest.partition(":")
    matched = _AMOUNT.fullmatch(amount)
    units = tuple(JOULES) if quantity == "energy" else ("",)
    if matched is None or matched[2] not in units:
        expected = "a number with a unit, J, mJ, uJ or nJ" if quantity == "energy" else "a number"
        raise InputError(
            f"budget {_short(text)}: {_short(amount)} is not {expected}; write it as in {EXAMPLES[quantity]}"
        )
    # By decimals, since 5 uJ are to be the float nearest to 5e-6 J. What no float holds is infinity or zero.
    limit = float(Decimal(matched[1]).scaleb(JOULES.get(matched[2], 0)))
    if not 0 < limit < math.inf:
        raise InputError(f"budget {_short(text)}: {_short(amount)} is not a finite number above 0")
    if rest.endswith(":"):
        raise InputError(
            f"budget {_short(text)}: no hardware after the colon; write it as in {EXAMPLES[quantity]}"
        )
    return {"quantity": quantity, "limit": limit} | _place(place)


def _place(text: str) -> dict[str, str]:
    if not text:
        return {}
    hardware, _, cost_set = text.rpartition("/")
    if not hardware or cost_set.endswith(_DESCRIPTIONS):
        return {"hardware": text}
    if not cost_set:
        raise InputError(f"budget: no cost set after the slash of {_short(text)}; write HARDWARE/COST_SET")
    return {"hardware": hardware, "cost_set": cost_set}


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
