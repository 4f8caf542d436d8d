"""Importance of retained and pruned units."""

import numpy as np
import plotly.graph_objects as go

from deploy.report.bands import PRUNED_UNITS, RETAINED
from deploy.report.figure import Panel, figure
from deploy.report.markup import Html
from deploy.report.style import axis, layout
from deploy.report.survival import compared_units, unit_title
from dpap.pruning import RecordedPruningHistory
from dpap.pruning.pruning_history_file import RecordedUnitHistory

_HEIGHT = 260
_SHARES = np.linspace(0, 1, 101)
"""Shares of units at which a distribution is drawn."""


def importance_figures(record: RecordedPruningHistory) -> list[Html]:
    """Distributions of the units' mean normalised importance, a panel for each layer and kind."""
    panels = [
        Panel(_plot(units), unit_title(name, kind, units))
        for name, kind, units in compared_units(record)
        if not np.isnan(units.importance).all()
    ]
    if not panels:
        return []
    return [
        figure(
            "Importance of retained and of pruned units",
            "Share of units whose importance, normalised over the layer and averaged over the epochs before"
            " they were pruned, is at most so much; the further right the curve of the retained ones lies,"
            " the better the method separated them.",
            panels,
            (PRUNED_UNITS, RETAINED),
        )
    ]


def _plot(units: RecordedUnitHistory) -> go.Figure:
    plot = go.Figure(
        layout=layout(
            axis("normalised importance (0 to 1)", rangemode="tozero", nticks=6),
            axis("share of units (%)", range=[0, 102], nticks=6),
            _HEIGHT,
        )
    )
    for key, chosen in ((RETAINED, units.retained), (PRUNED_UNITS, units.pruned)):
        known = units.importance[chosen & ~np.isnan(units.importance)]
        if len(known):
            plot.add_scatter(
                x=np.quantile(known, _SHARES).tolist(),
                y=(100 * _SHARES).tolist(),
                name=key.label,
                mode="lines",
                line={"color": key.colour, "width": 2},
                hovertemplate="%{y:.0f} %: at most %{x:.3g}",
            )
    return plot
