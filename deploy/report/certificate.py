"""The certificate, as a table."""

from collections.abc import Mapping

from deploy.ir.currents import CurrentRange
from deploy.report.data import ReportData
from deploy.report.markup import Html, paragraph, section, table, tag
from deploy.report.quantities import MISSING, exact
from deploy.verification.verification import LayerComparison, Mismatch
from dpap.neurons.parameters import SUM_LIMIT

_HEAD = ("backend", "layer", "compared", "mismatches", "spikes", "neurons without fan-out", "first mismatch")

_RANGES_HEAD = ("layer", "currents stay in range", "largest for any input", "largest observed", "headroom")


def certificate_section(data: ReportData) -> Html:
    """The comparisons on each backend, and their mismatches."""
    certificate = data.certificate
    runs = ", ".join(f"{exact(count)} samples on {name}" for name, count in certificate.samples.items())
    verdict = (
        tag("strong", f"{exact(certificate.mismatches)} spikes differ. ", class_="bad")
        if certificate.mismatches
        else tag("strong", "No spike differs. ")
    )
    layers = [
        (backend, name, layer)
        for backend, comparisons in certificate.backends.items()
        for name, layer in comparisons.items()
    ]
    rows = [_row(*layer) for layer in layers]
    total = ("all", "", exact(certificate.compared), exact(certificate.mismatches), "", "", "")
    notes = [
        f"{name} does not spike on {backend}: its comparison says little."
        for backend, name, layer in layers
        if not layer.spikes
    ]
    if any(layer.unheard for *_, layer in layers):
        notes.append("Neurons without fan-out were removed and are not compared.")
    return section(
        "certificate",
        "Certificate",
        paragraph(
            verdict,
            f"The neurons of {data.pruned.label} at every one of {certificate.time_steps} time steps,"
            f" compared with the {certificate.reference}: {runs}.",
        ),
        table(_HEAD, rows, words=(0, 1, 6), total=total),
        *(paragraph(note) for note in notes),
        *_ranges(certificate.ranges),
    )


def _ranges(ranges: Mapping[str, CurrentRange]) -> list[Html]:
    """The reasons why currents stay within the 24 bits at which Lava wraps them."""
    if not ranges:
        return []
    rows = [
        (
            name,
            known.claim,
            exact(known.bound),
            MISSING if known.observed is None else exact(known.observed),
            MISSING if known.headroom is None else f"{known.headroom:.1f}",
        )
        for name, known in ranges.items()
    ]
    return [
        paragraph(
            "Spikes are equal as long as no current leaves its 24 bits, where Lava wraps it"
            f" ({exact(SUM_LIMIT)} in units of synaptic sums). Every run checks that, and raises an error."
        ),
        table(_RANGES_HEAD, rows, words=(0, 1)),
    ]


def _row(backend: str, name: str, layer: LayerComparison) -> tuple[str, ...]:
    counts = (layer.compared, layer.mismatches, layer.spikes, layer.unheard)
    return (backend, name, *(exact(count) for count in counts), _first(layer.first_mismatch))


def _first(mismatch: Mismatch | None) -> str:
    if mismatch is None:
        return MISSING
    return (
        f"sample {mismatch.sample}, step {mismatch.step}, neuron {', '.join(map(str, mismatch.neuron))}:"
        f" {mismatch.actual} instead of {mismatch.expected}"
    )
