"""Colours, one meaning each, and the look that all plots share."""

import html
from pathlib import Path

PRUNED = "#0072B2"
CONTROL = "#8C939A"
REMOVED = "#DADDE1"
"""Colour of what was pruned."""
WARNING = "#B3400A"

HUES = ("#E69F00", "#009E73", "#CC79A7", "#D55E00", "#5B3A8E", "#000000")
"""For what is no network: Okabe and Ito's colours, without their blues."""

INK = "#1C2733"
_STEPS = [factor * 10**power for power in range(12) for factor in (1, 2, 5)]
_GRID = "#E4E7EA"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def stylesheet() -> str:
    """The page's style, with the colours above as its variables."""
    colours = {"pruned": PRUNED, "control": CONTROL, "removed": REMOVED, "warning": WARNING, "ink": INK}
    variables = "".join(f"--{name}:{value};" for name, value in colours.items())
    rules = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return f":root{{{variables}--font:{_FONT}}}\n{rules}"


def axis(title: str, **settings) -> dict:
    """One axis of a plot: its title, and room that grows with its labels."""
    return {
        "title": {"text": title, "standoff": 8},
        "automargin": True,
        "fixedrange": True,
        "gridcolor": _GRID,
        "linecolor": INK,
        "ticks": "outside",
        "tickcolor": _GRID,
        "zeroline": False,
        **settings,
    }


def whole_ticks(largest: float) -> dict:
    """Ticks at whole numbers only, at most seven up to ``largest``: for what comes in whole numbers."""
    step = next(step for step in _STEPS if step * 6 >= largest)
    return {"tick0": 0, "dtick": step, "tickformat": "d"}


def epoch_axis(epochs: int) -> dict:
    """The axis of epochs, from 1, with room for markers at its ends."""
    pad = 0.02 * epochs + 0.2
    return axis("epoch", range=[1 - pad, epochs + pad], **whole_ticks(epochs))


def layout(xaxis: dict, yaxis: dict, height: int, **settings) -> dict:
    """Layout of a plot; its title and legend are HTML around it, where they cannot overlap it."""
    return {
        "template": "none",
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8, "pad": 2},
        "font": {"family": _FONT, "size": 12, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"font": {"family": _FONT, "size": 12}, "namelength": -1},
        "xaxis": xaxis,
        "yaxis": yaxis,
        **settings,
    }


def plot_text(text: str) -> str:
    """Text as a plot takes it, where plotly would read tags and entities."""
    return html.escape(text, quote=False)
