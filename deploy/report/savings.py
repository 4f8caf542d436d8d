"""Savings of pruning, by cause, and of stopping early."""

from deploy.hardware import Comparison, Saving
from deploy.report.bars import Series, bars
from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, bullets, paragraph, section, table, tag
from deploy.report.quantities import MISSING, percent, si
from deploy.report.rows import Rows
from deploy.report.scale import AxisQuantity
from deploy.report.style import HUES

_NETWORKS = {
    "dense": "dense",
    "zeros_kept": "zeros kept",
    "zeros_left_out": "zeros left out",
    "neurons_left_out": "neurons left out",
    "pruned": "pruned",
}
_UNITS = {"cores": "", "memory": "bit"}


def savings_section(data: ReportData) -> Html:
    """The way from the dense to the pruned network, one cause after the other."""
    comparison = data.comparison
    if comparison is None:
        return Html("")
    labels = data.control.label, data.pruned.label
    return section(
        "savings",
        f"What pruning saved on {comparison.hardware}",
        paragraph(*([tag("strong", f"{comparison.label}. ")] if comparison.label else [])),
        paragraph(
            f"From {labels[0]} (dense) to {labels[1]} (pruned) through three networks that did not run, each"
            " with the spikes of the pruned one, so that one thing changes at a time:"
        ),
        bullets(
            (
                "zeros kept: fewer spikes, but every synapse and neuron is stored, as in a dense mapping;",
                "zeros left out: only synapses with a weight are stored;",
                "neurons left out: removed neurons are not placed, the others take as many cores;",
                "pruned: the network takes as few cores as hold it.",
            )
        ),
        _energy(comparison),
        _table(comparison),
    )


def _energy(comparison: Comparison) -> Html:
    panels = []
    for name, saving in comparison.energy.items():
        steps = {label: getattr(saving, field) for field, label in _NETWORKS.items()}
        known = {label: value for label, value in steps.items() if value is not None}
        if not known:
            continue
        series = [Series(Key("energy", HUES[0]), list(known.values()))]
        plot = bars(Rows("network", list(known)), series, AxisQuantity("energy per inference", "J"))
        bound = ", without the parts of unknown cost" if name in comparison.lower_bounds else ""
        panels.append(Panel(plot, f"cost set {name}{bound}"))
    if not panels:
        return paragraph("No energy is published for this hardware.")
    return figure(
        "Energy from dense to pruned",
        "Dynamic energy of one inference, mean over the test samples, as one thing after the other is left"
        " out; the step between two bars is what that thing saves.",
        panels,
    )


def _table(comparison: Comparison) -> Html:
    rows = [_row(name, _UNITS.get(name, ""), saving) for name, saving in comparison.counts.items()]
    rows += [_row(f"energy, {name}", "J", saving) for name, saving in comparison.energy.items()]
    rows += [_row(f"time, {name}", "s", saving) for name, saving in comparison.time.items()]
    causes = next(iter(comparison.counts.values())).by_cause
    head = ("per inference", "dense", "zeros kept", "pruned", "saved", *(f"by {cause}" for cause in causes))
    return table(head, rows)


def _row(name: str, unit: str, saving: Saving) -> tuple[str, ...]:
    share = percent(saving.total / saving.dense) if saving.total is not None and saving.dense else MISSING
    values = (saving.dense, saving.zeros_kept, saving.pruned)
    return (
        name,
        *(si(value, unit) for value in values),
        share,
        *(si(v, unit) for v in saving.by_cause.values()),
    )
