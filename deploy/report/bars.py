"""Bars side by side: one row for each layer (or other thing), one bar in it for each series."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from deploy.report.data import Variant
from deploy.report.figure import Key
from deploy.report.quantities import si
from deploy.report.rows import Rows
from deploy.report.scale import AxisQuantity, scale
from deploy.report.style import CONTROL, PRUNED, layout, plot_text

_BAR, _GAP, _NOTE, _FRAME = 20, 14, 10, 62
"""Heights in pixels: of a bar, between rows, more where rows have notes, and of the axis below."""


@dataclass(frozen=True)
class Series:
    """The bars of one colour.

    Attributes
    ----------
    key : Key
        As the legend names it.
    values : sequence of float
        One for each row.
    texts : sequence of str or None
        Labels beside the bars; None for the values with their unit.
    """

    key: Key
    values: Sequence[float]
    texts: Sequence[str] | None = None


def network_keys(networks: Sequence[Variant]) -> list[Key]:
    """Legend of networks in the order in which they are drawn; the last is the pruned one."""
    last = len(networks) - 1
    return [
        Key(network.label, PRUNED if index == last else CONTROL) for index, network in enumerate(networks)
    ]


def bars(rows: Rows, series: Sequence[Series], quantity: AxisQuantity) -> go.Figure:
    """Horizontal bars, with their numbers beside them."""
    scaled = scale(quantity, [value for one in series for value in one.values])
    count = len(rows.names)
    gap = _GAP + (_NOTE if rows.notes else 0)
    height = len(series) * _BAR + gap
    plot = go.Figure(
        layout=layout(
            scaled.axis,
            rows.axis(),
            _FRAME + count * height,
            bargap=gap / height,
            bargroupgap=0.1,
            shapes=rows.shapes(),
        )
    )
    for one in series:
        texts = one.texts or [si(value, quantity.unit) for value in one.values]
        plot.add_bar(
            y=list(range(count)),
            x=[value / scaled.divisor if value > 0 else scaled.floor for value in one.values],
            text=[plot_text(text) for text in texts],
            customdata=[plot_text(name) for name in rows.names],
            name=plot_text(one.key.label),
            orientation="h",
            marker=fill(one.key),
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{customdata}: %{text}",
        )
    return plot


def fill(key: Key, edge: float = 0) -> dict:
    """Marker of a bar that looks as its key in the legend does, with a white edge of so many pixels."""
    if key.mark == "hatched":
        return {
            "pattern": {"shape": "/", "fgcolor": key.colour, "bgcolor": "white", "size": 5, "solidity": 0.4},
            "line": {"color": key.colour, "width": 1},
            "color": "white",
        }
    return {"color": key.colour, "line": {"color": "white", "width": edge}}
