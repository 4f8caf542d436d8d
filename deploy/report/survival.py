"""Survival functions of pruned units in their last epochs, beside those of retained ones."""

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go

from deploy.report.bands import PRUNED_UNITS, RETAINED, band
from deploy.report.figure import Panel, figure
from deploy.report.markup import Html, paragraph
from deploy.report.quantities import exact
from deploy.report.style import INK, axis, layout
from dpap.pruning import RecordedPruningHistory
from dpap.pruning.pruning_history_file import RecordedUnitHistory

_HEIGHT = 260


def compared_units(record: RecordedPruningHistory) -> Iterator[tuple[str, str, RecordedUnitHistory]]:
    """Layer, kind and record of the units of which some were pruned."""
    for name, layer in record.layers.items():
        for kind, units in layer.units.items():
            if units.pruned.any():
                yield name, kind, units


def unit_title(name: str, kind: str, units: RecordedUnitHistory) -> str:
    """Title of a panel, with the units that were recorded."""
    counts = (exact(int(chosen.sum())) for chosen in (units.pruned, units.retained))
    return f"{name}, {kind}: {' pruned, '.join(counts)} retained"


def survival_figures(record: RecordedPruningHistory) -> list[Html]:
    """One panel for the synapses, and one for the neurons, of each layer that lost some."""
    if not any(layer.units for layer in record.layers.values()):
        return []
    panels = [
        Panel(_plot(units), unit_title(name, kind, units)) for name, kind, units in compared_units(record)
    ]
    if not panels:
        return [paragraph("No synapse and no neuron was pruned by its survival function.")]
    return [
        figure(
            "Survival functions in the last epochs",
            "Median (line) and middle half (area) of the survival functions of pruned units, over the epochs"
            " up to the one that pruned them, and of retained units, over the last of the training; a unit is"
            " pruned below zero, the dotted line.",
            panels,
            (PRUNED_UNITS, RETAINED),
        )
    ]


def _plot(units: RecordedUnitHistory) -> go.Figure:
    steps = np.arange(1 - len(units.survival), 1)
    zero = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0}
    plot = go.Figure(
        layout=layout(
            axis("epochs before the last", tickvals=steps.tolist(), ticktext=[str(-step) for step in steps]),
            axis("survival function F", nticks=6),
            _HEIGHT,
            shapes=[zero | {"line": {"color": INK, "width": 1, "dash": "dot"}}],
        )
    )
    for key, chosen in ((RETAINED, units.retained), (PRUNED_UNITS, units.pruned)):
        if chosen.any():
            band(plot, steps, *_quartiles(units.survival[:, chosen]), key)
    return plot


def _quartiles(survival: np.ndarray) -> np.ndarray:
    """Quartiles of each row, ``(3, rows)``, over the units that were alive so long; NaN where none was."""
    rows = [row[~np.isnan(row)] for row in survival]
    return np.array(
        [np.quantile(row, (0.25, 0.5, 0.75)) if len(row) else np.full(3, np.nan) for row in rows]
    ).T
