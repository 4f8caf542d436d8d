"""The few figures that matter, on top of the page."""

from deploy.report.data import ReportData
from deploy.report.markup import Html, tag
from deploy.report.quantities import compared, percent, si


def summary(data: ReportData) -> Html:
    """One card for each figure: what it is, its value, and what it compares with."""
    pruned, control, certificate = data.pruned, data.control, data.certificate
    samples = f"{si(len(data.labels))} test samples, on the integer network"
    cards = [
        _card(
            "Test accuracy",
            percent(pruned.accuracy),
            f"{control.label} {percent(control.accuracy)}; {samples}",
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
        reference = control.estimate.cost_sets[name].dynamic_energy
        cards.append(
            _card(
                f"Energy per inference, {name}",
                si(cost.dynamic_energy, "J"),
                f"{control.label} {si(reference, 'J')}: {compared(reference, cost.dynamic_energy)},"
                f" dynamic, estimated for {pruned.estimate.hardware}",
            )
        )
    return tag("div", *cards, class_="cards")


def _count(title: str, data: ReportData, count: str, *, per_inference: bool) -> Html:
    values = []
    for variant in (data.pruned, data.control):
        total = variant.measurement.total(count)
        values.append(total / variant.measurement.samples if per_inference else total)
    pruned, control = values
    return _card(
        title, si(pruned), f"{data.control.label} {si(control)}: {compared(control, pruned, 'fewer')}"
    )


def _card(name: str, value: str, note: str, *, bad: bool = False) -> Html:
    return tag(
        "div",
        tag("div", name, class_="name"),
        tag("div", value, class_="value"),
        tag("div", note, class_="note"),
        class_="card bad" if bad else "card",
    )
