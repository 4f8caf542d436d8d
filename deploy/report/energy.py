"""What an inference costs on hardware: energy by part and by layer, and what idles meanwhile."""

import plotly.graph_objects as go

from deploy.hardware import CostSetEstimate, Part
from deploy.report.bars import Series, bars, fill, network_keys
from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, join, paragraph, section, table, tag
from deploy.report.parts import part_keys
from deploy.report.quantities import axis_scale, percent, si
from deploy.report.rows import Rows
from deploy.report.scale import Measure
from deploy.report.style import axis, layout, plot_text

_HEIGHT = 170
_TOTAL_ROOM = 0.22
"""Part of the plot's width that is kept free for the total beside the longest bar."""

Pair = tuple[CostSetEstimate, CostSetEstimate]
"""The control's estimate and the pruned network's, by the same cost set."""


def energy_section(data: ReportData) -> Html:
    """Dynamic energy by part and by layer, static energy by source, each cost set by itself."""
    return section(
        "energy",
        f"Energy on {data.pruned.estimate.hardware}",
        paragraph(
            "Each cost set is one published account of what operations cost; the sets differ in what they"
            " count, so they stand side by side and are never added or averaged. The numbers are estimates"
            " from counted operations, not measurements on a chip."
        ),
        _by_part(data),
        *(_costs(data, pair) for pair in _pairs(data)),
        _by_layer(data),
        _static(data),
    )


def _pairs(data: ReportData) -> list[Pair]:
    control = data.control.estimate.cost_sets
    return [(control[name], pruned) for name, pruned in data.pruned.estimate.cost_sets.items()]


def _title(cost_set: CostSetEstimate) -> str:
    """Name of a cost set with what its numbers rest on."""
    evidence = dict.fromkeys(part.evidence for part in cost_set.parts if part.value is not None)
    title = f"cost set {cost_set.name}"
    if evidence:
        title += f" (evidence: {', '.join(evidence)})"
    if cost_set.energy_error is not None:
        title += f", published error {percent(cost_set.energy_error)}"
    return title


def _by_part(data: ReportData) -> Html:
    pairs = _pairs(data)
    legends = part_keys([_drawn(pair) for pair in pairs])
    return figure(
        "Dynamic energy by part",
        "Energy of one inference, mean over the test samples, split by what it is spent on, with the total"
        " beside each bar; compare the two bars of one panel, not bars of different panels.",
        [
            Panel(_stacked(data, pair, keys), _title(pair[1]), list(keys.values()))
            for pair, keys in zip(pairs, legends, strict=True)
        ],
    )


def _drawn(pair: Pair) -> list[str]:
    """Names of the parts that have an energy."""
    return list(dict.fromkeys(part.name for one in pair for part in one.parts if part.value))


def _stacked(data: ReportData, pair: Pair, keys: dict[str, Key]) -> go.Figure:
    totals = [one.dynamic_energy for one in pair]
    divisor, unit = axis_scale(totals, "J")
    largest = max(totals) / divisor or 1.0
    plot = go.Figure(
        layout=layout(
            axis(f"energy per inference ({unit})", range=[0, largest / (1 - _TOTAL_ROOM)], nticks=6),
            Rows("network", [data.control.label, data.pruned.label]).axis(),
            _HEIGHT,
            barmode="stack",
            bargap=0.35,
            annotations=[_total(total, row, divisor) for row, total in enumerate(totals)],
        )
    )
    for name, key in keys.items():
        energies = [sum(part.value or 0.0 for part in one.parts if part.name == name) for one in pair]
        plot.add_bar(
            y=[0, 1],
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


def _costs(data: ReportData, pair: Pair) -> Html:
    control, pruned = pair
    before = {part.name: part for part in control.parts}
    rows = [_cost_row(before.get(part.name), part, pruned.dynamic_energy) for part in pruned.parts]
    head = (
        "part",
        f"energy, {data.control.label}",
        f"energy, {data.pruned.label}",
        f"share, {data.pruned.label}",
        f"count, {data.control.label}",
        f"count, {data.pruned.label}",
        "evidence",
        "source",
    )
    return join(
        [tag("h4", f"Parts per inference, cost set {pruned.name}"), table(head, rows, words=(0, 6, 7))]
    )


def _cost_row(before: Part | None, part: Part, total: float) -> tuple[str, ...]:
    # The total is zero only where every part is.
    share = None if part.value is None else part.value / (total or 1.0)
    return (
        part.name,
        si(before and before.value, "J"),
        si(part.value, "J"),
        percent(share),
        si(before and before.count),
        si(part.count),
        part.evidence,
        part.source,
    )


def _by_layer(data: ReportData) -> Html:
    keys = network_keys(data.pruned.label, data.control.label)
    panels = []
    for pair in _pairs(data):
        layers = list(pair[1].layers)
        series = [
            Series(key, [sum(one.layers[layer].values()) for layer in layers])
            for key, one in zip(keys, pair, strict=True)
        ]
        plot = bars(Rows("layer", layers), series, Measure("energy per inference", "J"))
        panels.append(Panel(plot, f"cost set {pair[1].name}"))
    return figure(
        "Dynamic energy by layer",
        "Energy of each layer's synapses and neurons in one inference, without the packets between cores,"
        " which belong to no layer; the longest bars show where further pruning would pay.",
        panels,
        keys,
    )


def _static(data: ReportData) -> Html:
    rows = [
        (pruned.name, source, si(control.static_energy.get(source), "J"), si(energy, "J"))
        for control, pruned in _pairs(data)
        for source, energy in pruned.static_energy.items()
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
            table(("cost set", "source", data.control.label, data.pruned.label), rows, words=(0, 1)),
        ]
    )
