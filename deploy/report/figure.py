"""A figure of the page: panels drawn by plotly, and around them a heading, a legend and a caption in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from deploy.report.markup import Html, tag


@dataclass(frozen=True)
class Key:
    """One entry of a legend.

    Attributes
    ----------
    label : str
    colour : str
    mark : str
        ``solid`` or ``hatched`` for areas, ``line`` or ``dotted`` for lines.
    """

    label: str
    colour: str
    mark: str = "solid"


@dataclass(frozen=True, eq=False)
class Panel:
    """One plot of a figure.

    Attributes
    ----------
    plot : plotly Figure
        With its height in the layout.
    title : str
        Empty where the figure's heading says it all.
    legend : sequence of Key
        What holds for this panel alone.
    """

    plot: go.Figure
    title: str = ""
    legend: Sequence[Key] = ()


def figure(
    title: str, caption: str, panels: Sequence[Panel], legend: Sequence[Key] = (), *, narrow: bool = False
) -> Html:
    """Panels side by side, as many as the window holds, with one heading, legend and caption.

    Parameters
    ----------
    title, caption : str
        The caption says what is shown and what to read from it, in one sentence.
    panels : sequence of Panel
    legend : sequence of Key
    narrow : bool
        The panels are small, so that more of them fit side by side.
    """
    return tag(
        "figure",
        tag("h3", title),
        *_legend(legend),
        tag(
            "div", *(_panel(panel, title) for panel in panels), class_="panels narrow" if narrow else "panels"
        ),
        tag("figcaption", caption),
    )


def _legend(keys: Sequence[Key]) -> list[Html]:
    entries = [
        tag("span", tag("i", class_=f"mark {key.mark}", style=f"--c:{key.colour}"), key.label) for key in keys
    ]
    return [tag("div", *entries, class_="legend")] if entries else []


def _panel(panel: Panel, title: str) -> Html:
    # In a script element nothing but "<" could end the data early.
    data = Html(panel.plot.to_json(engine="json").replace("<", "\\u003c"))
    return tag(
        "div",
        *([tag("h4", panel.title)] if panel.title else []),
        *_legend(panel.legend),
        tag(
            "div",
            tag("script", data, type="application/json"),
            class_="plot",
            style=f"height:{panel.plot.layout.height}px",
            role="img",
            aria_label=f"{title}: {panel.title}" if panel.title else title,
        ),
        class_="panel",
    )
