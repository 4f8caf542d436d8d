"""The key figures, at the top of the page."""

from deploy.report.data import ReportData, Variant
from deploy.report.markup import Html, tag
from deploy.report.quantities import accuracy, compared, percent, si


def summary(data: ReportData) -> Html:
    """One card for each figure: what it is, its value, and what it compares with."""
    pruned, control, certificate = data.pruned, data.control, data.certificate
    beside = "" if control is None else f"{control.label} {accuracy(control.accuracy)}; "
    cards = [
        _card(
            "Test accuracy",
            accuracy(pruned.accuracy),
            f"{beside}{si(pruned.tested)} test samples, on the integer network; trained in torch"
            f" {accuracy(pruned.trained_accuracy)}",
        ),
        _card("Synapses pruned", percent(pruned.pruning_rate), "of the trained synapses, while learning"),
        _card(
            "Certificate: spikes that differ",
            si(certificate.mismatches),
            f"of {si(certificate.compared)} compared, {certificate.reference} against"
            f" {', '.join(certificate.backends)}",
            bad=certificate.mismatches > 0,
        ),
        _count("Synapses deployed", data, "synapses", per_inference=False),
        _count("SynOps per inference", data, "synops_effective", per_inference=True),
    ]
    for name, cost in pruned.estimate.cost_sets.items():
        note = f"dynamic, estimated for {pruned.estimate.hardware}"
        if control is not None:
            reference = control.estimate.cost_sets[name].dynamic_energy
            note = f"{_beside(control.label, reference, cost.dynamic_energy, 'J')}, {note}"
        cards.append(_card(f"Energy per inference, {name}", si(cost.dynamic_energy, "J"), note))
    return tag("div", *cards, class_="cards")


def _count(title: str, data: ReportData, count: str, *, per_inference: bool) -> Html:
    def value(variant: Variant) -> float:
        total = variant.measurement.total(count)
        return total / variant.measurement.samples if per_inference else total

    pruned = value(data.pruned)
    if data.control is None:
        return _card(title, si(pruned), "of the integer network")
    return _card(title, si(pruned), _beside(data.control.label, value(data.control), pruned, less="fewer"))


def _beside(
    label: str, reference: float | None, value: float | None, unit: str = "", less: str = "less"
) -> str:
    """The value that another is compared with."""
    written = f"{label} {si(reference, unit)}"
    return written if None in (reference, value) else f"{written}: {compared(reference, value, less)}"


def _card(name: str, value: str, note: str, *, bad: bool = False) -> Html:
    return tag(
        "div",
        tag("div", name, class_="name"),
        tag("div", value, class_="value"),
        tag("div", note, class_="note"),
        class_="card bad" if bad else "card",
    )
