"""Accuracy against energy, where an inference stops after fewer time steps."""

import plotly.graph_objects as go

from deploy.hardware.stopping import EarlyExit
from deploy.report.bars import network_keys
from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, paragraph, section, table
from deploy.report.quantities import axis_scale, percent, si
from deploy.report.style import axis, layout, plot_text

_HEIGHT = 320
_KEPT = 0.01
"""Accuracy that may be given up, in the sentence about the earliest step."""


def stopping_section(data: ReportData) -> Html:
    """The curve of each cost set, and every step in numbers."""
    if data.early_exit is None:
        return Html("")
    pruned, keys = data.early_exit[-1], network_keys(data.networks)
    known = [
        name for name in pruned.energy if all(None not in result.energy[name] for result in data.early_exit)
    ]
    panels = [Panel(_curves(data, name), f"cost set {name}") for name in known]
    lines = [Key(key.label, key.colour, "line") for key in keys]
    curve = figure(
        "Accuracy against energy, step by step",
        "Each point is one more time step: the share of test samples whose class is right if all stop there,"
        " and the dynamic energy so far; the higher and the further left, the better.",
        panels,
        lines,
    )
    return section(
        "stopping",
        "Stopping early",
        paragraph(_sentence(data.pruned.label, pruned)),
        curve if panels else paragraph("No energy is published for this hardware."),
        _table(data),
    )


def _sentence(label: str, result: EarlyExit) -> str:
    last = len(result.accuracy)
    wanted = max(0.0, result.accuracy[-1] - _KEPT)
    step = result.step_for(wanted)
    saved = [
        f"{percent(1 - energy[step - 1] / energy[-1])} of the dynamic energy by {name}"
        for name, energy in result.energy.items()
        if energy[-1] and None not in energy
    ]
    return (
        f"{label} is within one percentage point of its accuracy after step {step} of {last}: stopping there"
        f" saves {', '.join(saved) or 'time'}. The step was chosen on the samples that the accuracy is of."
    )


def _curves(data: ReportData, name: str) -> go.Figure:
    energies = [value for result in data.early_exit for value in result.energy[name]]
    divisor, unit = axis_scale(energies, "J")
    plot = go.Figure(
        layout=layout(
            axis(f"energy per inference ({unit})", rangemode="tozero", nticks=6),
            axis("accuracy (%)", range=[0, 102], nticks=8),
            _HEIGHT,
        )
    )
    keys = network_keys(data.networks)
    for key, result in zip(keys, data.early_exit, strict=True):
        plot.add_scatter(
            x=[value / divisor for value in result.energy[name]],
            y=[100 * value for value in result.accuracy],
            customdata=[f"step {step}: {si(e, 'J')}" for step, e in enumerate(result.energy[name], 1)],
            name=plot_text(key.label),
            mode="lines+markers",
            line={"color": key.colour, "width": 2},
            hovertemplate="%{customdata}, %{y:.1f} %",
        )
    return plot


def _table(data: ReportData) -> Html:
    results, names = data.early_exit, list(data.early_exit[-1].energy)
    labels = [network.label for network in data.networks]
    head = ["time steps", *(f"accuracy, {label}" for label in labels)]
    head += [f"energy, {label}, {name}" for name in names for label in labels]
    rows = [
        (
            str(step + 1),
            *(percent(result.accuracy[step]) for result in results),
            *(si(result.energy[name][step], "J") for name in names for result in results),
        )
        for step in range(len(results[-1].accuracy))
    ]
    return table(head, rows)
