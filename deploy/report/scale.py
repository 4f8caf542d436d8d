"""The axis along which values are drawn as bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.report.quantities import axis_scale
from deploy.report.style import axis, whole_ticks

LOG_RATIO = 200
"""Where the largest value is more than this many times the smallest above zero, an axis is logarithmic."""

_LABEL_ROOM = 0.34
"""Part of the plot's width that is kept free for the number beside the longest bar."""
_SHARE_LABEL_ROOM = 0.25
"""The same for shares, whose numbers are short."""


@dataclass(frozen=True)
class AxisQuantity:
    """The quantity along an axis.

    Attributes
    ----------
    title : str
        Of the axis; the unit is added.
    unit : str
        It takes a prefix that suits the values. Empty for counts.
    kind : str
        ``amount``, ``whole`` (things that cannot be split) or ``share`` (percent, out of 100).
    """

    title: str
    unit: str = ""
    kind: Literal["amount", "whole", "share"] = "amount"


@dataclass(frozen=True)
class Scale:
    """An axis that suits some values.

    Attributes
    ----------
    axis : dict
    divisor : float
        A value over this is its place on the axis.
    floor : float
        Place of a value of zero.
    """

    axis: dict
    divisor: float
    floor: float


def scale(quantity: AxisQuantity, values: Sequence[float]) -> Scale:
    """Axis from zero, or logarithmic where the values demand it, with room for numbers beside the bars."""
    if quantity.kind == "share":
        settings = {"range": [0, 100 / (1 - _SHARE_LABEL_ROOM)], "tickvals": [0, 25, 50, 75, 100]}
        return Scale(axis(f"{quantity.title} (%)", **settings), 1.0, 0.0)
    divisor, unit = axis_scale(values, quantity.unit) if quantity.unit else (1.0, "")
    title = f"{quantity.title} ({unit})" if unit else quantity.title
    positive = [value / divisor for value in values if value > 0]
    if positive and max(positive) > LOG_RATIO * min(positive):
        return _logarithmic(title, divisor, positive)
    largest = max(positive, default=1.0)
    ticks = whole_ticks(largest) if quantity.kind == "whole" else {"nticks": 5, "rangemode": "tozero"}
    return Scale(axis(title, range=[0, largest / (1 - _LABEL_ROOM)], **ticks), divisor, 0.0)


def _logarithmic(title: str, divisor: float, positive: Sequence[float]) -> Scale:
    low = math.floor(math.log10(min(positive)) - 0.1)
    span = (math.log10(max(positive)) - low) / (1 - _LABEL_ROOM)
    settings = {
        "type": "log",
        "range": [low, low + span],
        "dtick": math.ceil(span / 5),
        "exponentformat": "SI",
        "minexponent": 2,
    }
    # There is no zero; of a bar without any length plotly would not write the number.
    return Scale(axis(f"{title}, logarithmic", **settings), divisor, 1.01 * 10.0**low)
