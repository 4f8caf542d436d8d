"""A curve with the band of the middle half around it, and the legend of retained and pruned."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from deploy.report.figure import Key
from deploy.report.style import HUES, plot_text

RETAINED, PRUNED_UNITS = Key("retained", HUES[1], "line"), Key("pruned", HUES[3], "line")
_SHADE = 0.22
"""Opacity of a band."""


def band(
    plot: go.Figure, x: Sequence[float], lower: np.ndarray, middle: np.ndarray, upper: np.ndarray, key: Key
) -> None:
    """Add a line and the area between two others; NaN leaves a gap.

    Parameters
    ----------
    plot : plotly Figure
    x : sequence of float
    lower, middle, upper : float arrays, one value for each of x
    key : Key
    """
    known = ~np.isnan(middle)
    red, green, blue = hex_to_rgb(key.colour)
    x = np.asarray(x)[known]
    common = {"x": x.tolist(), "hoverinfo": "skip", "line": {"width": 0}, "mode": "lines"}
    plot.add_scatter(y=lower[known].tolist(), name="lower quartile", **common)
    shade = f"rgba({red},{green},{blue},{_SHADE})"
    plot.add_scatter(
        y=upper[known].tolist(), name="upper quartile", fill="tonexty", fillcolor=shade, **common
    )
    plot.add_scatter(
        x=x.tolist(),
        y=middle[known].tolist(),
        name=plot_text(key.label),
        mode="lines+markers",
        marker={"size": 4},
        line={"color": key.colour, "width": 2},
        hovertemplate="median %{y:.3g}",
    )
