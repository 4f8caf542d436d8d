"""Accuracy and pruning rate of a training, epoch by epoch."""

from collections.abc import Sequence

import plotly.graph_objects as go

from deploy.report.bars import network_keys
from deploy.report.data import ReportData, Variant
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, section, tag
from deploy.report.quantities import percent
from deploy.report.style import PRUNED, axis, epoch_axis, layout, plot_text

_HEIGHT = 320
_START = 4
"""One epoch in so many, at the start, does not decide the range of the accuracy axis."""


def training_section(data: ReportData) -> Html:
    """Accuracy, beside the control if there is one, and the pruning rate."""
    return section(
        "training", "Learning while pruning", tag("div", _accuracy(data), _rate(data), class_="figures")
    )


def _accuracy(data: ReportData) -> Html:
    # The pruned network is drawn last, on top of its control.
    histories = [variant.history for variant in data.networks]
    lowest = _lowest([[100 * record.held_out[1] for record in history] for history in histories])
    plot = _plot(data, "accuracy (%)", range=[lowest, 100 + 0.02 * (100 - lowest)])
    keys = []
    for variant, key in zip(data.networks, network_keys(data.networks), strict=True):
        colour = key.colour
        train = [record.train_accuracy for record in variant.history]
        held_out = [record.held_out[1] for record in variant.history]
        part = variant.history[0].held_out[0] if variant.history else "test"
        _line(plot, variant, f"{variant.label}, training", train, colour, "dot")
        _line(plot, variant, f"{variant.label}, {part}", held_out, colour, "solid")
        keys += [
            Key(f"{variant.label}, {part}", colour, "line"),
            Key(f"{variant.label}, training", colour, "dotted"),
        ]
    cut = f" (the axis starts at {lowest:.0f} %)" if lowest else ""
    return figure(
        "Accuracy over epochs",
        f"Share of samples that are classified correctly after each epoch{cut}{_together(data)}.",
        [Panel(plot)],
        keys,
    )


def _together(data: ReportData) -> str:
    return (
        "" if data.control is None else "; where the two solid lines stay together, pruning costs no accuracy"
    )


def _lowest(curves: Sequence[Sequence[float]]) -> float:
    """Start of the accuracy axis: below the curves once the steep start is over, at a multiple of 5."""
    settled = [value for curve in curves for value in curve[len(curve) // _START :]]
    lowest = min(settled, default=0.0)
    return max(0.0, 5 * ((lowest - 0.25 * (100 - lowest)) // 5))


def _rate(data: ReportData) -> Html:
    plot = _plot(data, "synapses pruned (%)", rangemode="tozero")
    rates = [record.pruning_rate for record in data.pruned.history]
    _line(plot, data.pruned, data.pruned.label, rates, PRUNED, "solid")
    return figure(
        "Pruning rate over epochs",
        "Share of all trained synapses that are removed after each epoch; the deployed network is without"
        f" {percent(data.pruned.pruning_rate)} of them.",
        [Panel(plot)],
        [Key(data.pruned.label, PRUNED, "line")],
    )


def _plot(data: ReportData, title: str, **settings) -> go.Figure:
    epochs = max((record.epoch for v in data.networks for record in v.history), default=1)
    return go.Figure(
        layout=layout(epoch_axis(epochs), axis(title, nticks=8, **settings), _HEIGHT, hovermode="x unified")
    )


def _line(
    plot: go.Figure, variant: Variant, name: str, values: Sequence[float], colour: str, dash: str
) -> None:
    plot.add_scatter(
        x=[record.epoch for record in variant.history],
        y=[100 * value for value in values],
        name=plot_text(name),
        # Markers, so that a single epoch shows, too.
        mode="lines+markers",
        marker={"size": 4},
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate="%{y:.1f} %",
    )
