"""Figures of pruning with regrowth: spine ranges, and what is pruned and regrown."""

import numpy as np
import plotly.graph_objects as go

from deploy.report.bands import PRUNED_UNITS, RETAINED, band
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html
from deploy.report.quantities import exact
from deploy.report.style import HUES, axis, epoch_axis, layout, plot_text
from dpap.pruning import RecordedPruningHistory

_HEIGHT = 260
_RANGE = Key("median and middle half of the weights", HUES[1], "line")
_EXTREMES = Key("narrowest and widest", HUES[1], "dotted")
REGROWN = Key("regrown", RETAINED.colour)
GONE = Key("pruned", PRUNED_UNITS.colour)


def range_figures(record: RecordedPruningHistory) -> list[Html]:
    """Widths of the spine ranges over epochs, a panel a layer."""
    panels = [
        Panel(_ranges(layer.ranges), name)
        for name, layer in record.layers.items()
        if layer.ranges is not None
    ]
    if not panels:
        return []
    return [
        figure(
            "Spine ranges over epochs",
            "How wide the range is within which a remaining weight may lie, from lower to upper bound in"
            " units of the weight; ranges of weights that shrink get narrower, and neurons of narrow ones are"
            " pruned.",
            panels,
            (_RANGE, _EXTREMES),
        )
    ]


def _ranges(quantiles: np.ndarray) -> go.Figure:
    lowest, lower, middle, upper, highest = quantiles.T
    epochs = np.arange(1, len(quantiles) + 1)
    plot = go.Figure(
        layout=layout(
            epoch_axis(len(epochs)),
            axis("width of the range (weight)", rangemode="tozero", nticks=6),
            _HEIGHT,
        )
    )
    band(plot, epochs, lower, middle, upper, _RANGE)
    for name, values in (("narrowest", lowest), ("widest", highest)):
        known = ~np.isnan(values)
        plot.add_scatter(
            x=epochs[known].tolist(),
            y=values[known].tolist(),
            name=name,
            mode="lines",
            line={"color": _EXTREMES.colour, "width": 1, "dash": "dot"},
            hovertemplate=f"{name} %{{y:.3g}}",
        )
    return plot


def turnover_figures(record: RecordedPruningHistory) -> list[Html]:
    """Synapses, and neurons, that were pruned and that came back in each epoch, a panel a layer."""
    figures = []
    for kind, weights in (("synapses", " (kernels, in a convolution)"), ("neurons", " (channels)")):
        panels = [
            Panel(_turnover(kind, *flows), _turnover_title(name, *flows))
            for name, layer in record.layers.items()
            if layer.turnover
            for flows in [(layer.turnover[f"{kind}_pruned"], layer.turnover[f"{kind}_regrown"])]
            if flows[0].any() or flows[1].any()
        ]
        if panels:
            figures.append(
                figure(
                    f"Pruned and regrown {kind} over epochs",
                    f"{kind.capitalize()}{weights} that each epoch pruned (down) and regrew (up); both end as"
                    " the structure settles.",
                    panels,
                    (REGROWN, GONE),
                )
            )
    return figures


def _turnover_title(name: str, pruned: np.ndarray, regrown: np.ndarray) -> str:
    return f"{name}: {exact(int(pruned.sum()))} pruned, {exact(int(regrown.sum()))} regrown"


def _turnover(kind: str, pruned: np.ndarray, regrown: np.ndarray) -> go.Figure:
    plot = go.Figure(
        layout=layout(
            epoch_axis(len(pruned)),
            axis(f"{kind} per epoch", nticks=6),
            _HEIGHT,
            barmode="relative",
            bargap=0.1,
        )
    )
    for key, counts, sign in ((REGROWN, regrown, 1), (GONE, pruned, -1)):
        plot.add_bar(
            x=list(range(1, len(counts) + 1)),
            y=(sign * counts).tolist(),
            customdata=[exact(int(count)) for count in counts],
            name=plot_text(key.label),
            marker={"color": key.colour},
            hovertemplate=f"{key.label} %{{customdata}}",
        )
    return plot
