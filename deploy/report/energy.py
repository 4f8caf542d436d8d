"""Energy of an inference on hardware, by part and by layer, and static energy."""

from collections.abc import Sequence

import plotly.graph_objects as go

from deploy.hardware import CostSetEstimate, Part
from deploy.report.bars import Series, bars, fill, network_keys
from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, join, paragraph, section, table, tag
from deploy.report.parts import part_keys
from deploy.report.quantities import axis_scale, percent, si
from deploy.report.rows import Rows
from deploy.report.scale import AxisQuantity
from deploy.report.style import axis, layout, plot_text

_FRAME, _ROW = 66, 52
"""Heights in pixels: of the axis, and of a bar with its gap."""
_TOTAL_ROOM = 0.22
"""Part of the plot's width that is kept free for the total beside the longest bar."""

Alike = tuple[CostSetEstimate, ...]
"""The networks' estimates by the same cost set, the control's first."""


def energy_section(data: ReportData) -> Html:
    """Dynamic energy by part and by layer, static energy by source, each cost set by itself."""
    label = data.pruned.estimate.label
    return section(
        "energy",
        f"Energy on {data.pruned.estimate.hardware}",
        paragraph(
            *([tag("strong", f"{label}. ")] if label else []),
            "Each cost set is one published account of what operations cost; the sets differ in what they"
            " count, so they are shown side by side and never added or averaged. The numbers are estimates"
            " from counted operations, not measurements on a chip.",
        ),
        _by_part(data),
        *(_costs(data, alike) for alike in _by_cost_set(data)),
        _by_layer(data),
        _static(data),
    )


def _by_cost_set(data: ReportData) -> list[Alike]:
    return [
        tuple(network.estimate.cost_sets[name] for network in data.networks)
        for name in data.pruned.estimate.cost_sets
    ]


def _known(data: ReportData) -> list[Alike]:
    """Those whose energies are known, as far as they are drawn."""
    return [alike for alike in _by_cost_set(data) if all(one.dynamic_energy is not None for one in alike)]


def _bound(cost_set: CostSetEstimate) -> str:
    """Notes on energies that leave parts out."""
    return ", without the parts of unknown cost" if cost_set.is_lower_bound else ""


def _title(cost_set: CostSetEstimate) -> str:
    """Name of a cost set with what its numbers rest on."""
    evidence = dict.fromkeys(part.evidence for part in cost_set.parts if part.value is not None)
    title = f"cost set {cost_set.name}"
    if evidence:
        title += f" (evidence: {', '.join(evidence)})"
    if cost_set.energy_error is not None:
        title += f", published error {percent(cost_set.energy_error)}"
    return title + _bound(cost_set)


def _by_part(data: ReportData) -> Html:
    known = _known(data)
    if not known:
        return paragraph("No energy is published for this hardware.")
    legends = part_keys([_drawn(alike) for alike in known])
    beside = (
        "" if data.control is None else "; compare the two bars of one panel, not bars of different panels"
    )
    return figure(
        "Dynamic energy by part",
        "Energy of one inference, mean over the test samples, split by what it is spent on, with the total"
        f" beside each bar{beside}.",
        [
            Panel(_stacked(data, alike, keys), _title(alike[-1]), list(keys.values()))
            for alike, keys in zip(known, legends, strict=True)
        ],
    )


def _drawn(alike: Alike) -> list[str]:
    """Names of the parts that have an energy."""
    return list(dict.fromkeys(part.name for one in alike for part in one.parts if part.value))


def _stacked(data: ReportData, alike: Alike, keys: dict[str, Key]) -> go.Figure:
    totals = [one.dynamic_energy for one in alike]
    divisor, unit = axis_scale(totals, "J")
    largest = max(totals) / divisor or 1.0
    plot = go.Figure(
        layout=layout(
            axis(f"energy per inference ({unit})", range=[0, largest / (1 - _TOTAL_ROOM)], nticks=6),
            Rows("network", [network.label for network in data.networks]).axis(),
            _FRAME + _ROW * len(alike),
            barmode="stack",
            bargap=0.35,
            annotations=[_total(total, row, divisor) for row, total in enumerate(totals)],
        )
    )
    for name, key in keys.items():
        energies = [sum(part.value or 0.0 for part in one.parts if part.name == name) for one in alike]
        plot.add_bar(
            y=list(range(len(energies))),
            x=[energy / divisor for energy in energies],
            customdata=[si(energy, "J") for energy in energies],
            name=plot_text(name),
            orientation="h",
            marker=fill(key, edge=0.5),
            hovertemplate="%{customdata}",
        )
    return plot


def _total(total: float, row: int, divisor: float) -> dict:
    place = {"x": total / divisor, "y": row, "xanchor": "left", "xshift": 4, "showarrow": False}
    return {"text": si(total, "J"), **place}


def _costs(data: ReportData, alike: Alike) -> Html:
    pruned, labels = alike[-1], [network.label for network in data.networks]
    known = [{part.name: part for part in one.parts} for one in alike]
    rows = [
        _cost_row([parts.get(part.name) for parts in known], part, pruned.dynamic_energy)
        for part in pruned.parts
    ]
    head = (
        "part",
        *(f"energy, {label}" for label in labels),
        f"share, {labels[-1]}",
        *(f"count, {label}" for label in labels),
        "evidence",
        "source",
    )
    words = (0, len(head) - 2, len(head) - 1)
    return join([tag("h4", f"Parts per inference, cost set {pruned.name}"), table(head, rows, words=words)])


def _cost_row(of_each: Sequence[Part | None], part: Part, total: float | None) -> tuple[str, ...]:
    # The total is zero only where every part is.
    share = None if part.value is None else part.value / (total or 1.0)
    return (
        part.name,
        *(si(own and own.value, "J") for own in of_each),
        percent(share),
        *(si(own and own.count) for own in of_each),
        part.evidence,
        part.source,
    )


def _by_layer(data: ReportData) -> Html:
    keys = network_keys(data.networks)
    panels = []
    for alike in _known(data):
        layers = list(alike[-1].layers)
        series = [
            Series(key, [sum(value or 0.0 for value in one.layers[layer].values()) for layer in layers])
            for key, one in zip(keys, alike, strict=True)
        ]
        plot = bars(Rows("layer", layers), series, AxisQuantity("energy per inference", "J"))
        panels.append(Panel(plot, f"cost set {alike[-1].name}{_bound(alike[-1])}"))
    if not panels:
        return Html("")
    return figure(
        "Dynamic energy by layer",
        "Energy of each layer's synapses and neurons in one inference, without the packets between cores,"
        " which belong to no layer; the longest bars show where further pruning would pay.",
        panels,
        keys,
    )


def _static(data: ReportData) -> Html:
    rows = [
        (alike[-1].name, source, *(si(one.static_energy.get(source), "J") for one in alike))
        for alike in _by_cost_set(data)
        for source in alike[-1].static_energy
    ]
    if not rows:
        return paragraph("No static power is published for this hardware.")
    return join(
        [
            tag("h3", "Static energy per inference"),
            paragraph(
                "The chips' idle power times the time of an inference by the same cost set. Sources report"
                " different boards, so each is a line of its own, apart from the dynamic energy above."
            ),
            table(("cost set", "source", *(network.label for network in data.networks)), rows, words=(0, 1)),
        ]
    )
