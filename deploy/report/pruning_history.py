"""How the structure developed while the network learned, drawn from the recorded data."""

import numpy as np
import plotly.graph_objects as go

from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.growth import range_figures, turnover_figures
from deploy.report.importance import importance_figures
from deploy.report.markup import Html, section
from deploy.report.quantities import exact
from deploy.report.style import HUES, axis, epoch_axis, layout, plot_text
from deploy.report.survival import survival_figures

_HEIGHT = 320
_WIDEST, _NARROWEST = 8.0, 2.0
"""Widths of the first layer's line and of the last's, in pixels."""

_DASHES = {"line": "solid", "dotted": "dot"}


def pruning_history_section(data: ReportData) -> Html:
    """Connections over time; survival functions and importance, or spine ranges and what comes back."""
    if data.pruning_history is None:
        return Html("")
    return section(
        "development",
        "How the structure developed",
        _connections(data),
        *survival_figures(data.pruning_history),
        *importance_figures(data.pruning_history),
        *range_figures(data.pruning_history),
        *turnover_figures(data.pruning_history),
    )


def _connections(data: ReportData) -> Html:
    record = data.pruning_history
    plot = go.Figure(
        layout=layout(
            epoch_axis(record.epochs),
            axis("remaining synapses (%)", rangemode="tozero", nticks=8),
            _HEIGHT,
            hovermode="x unified",
        )
    )
    epochs = list(range(1, record.epochs + 1))
    keys = [_key(index, name) for index, name in enumerate(record.layers)]
    # Layers that lose the same share have the same line; a wider one shows behind a narrower.
    widths = np.linspace(_NARROWEST, _WIDEST, len(keys))[::-1].tolist()
    for key, width, (name, layer) in zip(keys, widths, record.layers.items(), strict=True):
        remaining = 1 - layer.pruning_rate
        plot.add_scatter(
            x=epochs,
            y=(100 * remaining).tolist(),
            customdata=[exact(round(share * data.pruned.pruning[name].synapses)) for share in remaining],
            name=plot_text(name),
            mode="lines+markers",
            marker={"size": 4},
            line={"color": key.colour, "width": width, "dash": _DASHES[key.mark]},
            hovertemplate="%{y:.1f} %, %{customdata} weights",
        )
    return figure(
        "Connections over epochs",
        "Share of each layer's trained synapses that is left after each epoch, between remaining neurons; a"
        " structure that has settled is level at the end. Where lines coincide, those of earlier layers are"
        " the wider ones behind.",
        [Panel(plot)],
        keys,
    )


def _key(index: int, name: str) -> Key:
    """One hue a layer, dotted where the hues begin again."""
    return Key(name, HUES[index % len(HUES)], ("line", "dotted")[index // len(HUES) % 2])
