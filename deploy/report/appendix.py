"""Tables at the end: measurement by layer, assumptions, settings."""

from deploy.measurement.measurement import LayerMeasurement
from deploy.report.data import ReportData, Variant
from deploy.report.markup import Html, bullets, paragraph, section, table, tag
from deploy.report.quantities import exact, percent, si

_HEAD = (
    "layer",
    "network",
    "neurons",
    "before",
    "synapses",
    "before",
    "spikes in",
    "spikes out",
    "firing rate",
    "SynOps",
    "SynOps, zeros kept",
    "SynOps, unary input",
    "neuron updates",
    "updates with input",
)


def measurement_section(data: ReportData) -> Html:
    """Every count of every layer, network below network."""
    rows = [
        _row(variant, variant.measurement[name])
        for name in data.pruned.measurement.layers
        for variant in data.networks
    ]
    return section(
        "measurement",
        "Measurement by layer",
        paragraph(
            "Spikes, SynOps and neuron updates per inference, mean over"
            f" {exact(data.pruned.measurement.samples)} samples of {data.pruned.measurement.time_steps} time"
            " steps. The firing rate is the share of (neuron, step) pairs with a spike; unary input counts a"
            " graded spike by its value, as a chip without graded spikes would send it."
        ),
        table(_HEAD, rows, words=(0, 1)),
    )


def _row(variant: Variant, layer: LayerMeasurement) -> tuple[str, ...]:
    per_inference = (
        layer.synops_effective,
        layer.synops_dense,
        layer.synops_effective_unary,
        layer.neuron_updates,
        layer.neuron_updates_with_input,
    )
    samples = variant.measurement.samples
    return (
        layer.name,
        variant.label,
        exact(layer.neurons),
        exact(layer.neurons_original),
        exact(layer.synapses),
        exact(layer.synapses_original),
        si(layer.events_in / samples),
        si(layer.spikes / samples),
        percent(layer.firing_rate),
        *(si(count / samples) for count in per_inference),
    )


def assumptions_section(data: ReportData) -> Html:
    """The assumptions of each cost set."""
    lists = [
        tag("div", tag("h3", f"Cost set {name}"), bullets(cost.assumptions))
        for name, cost in data.pruned.estimate.cost_sets.items()
    ]
    return section("assumptions", "Assumptions of the estimates", tag("div", *lists, class_="figures"))


def settings_section(data: ReportData) -> Html:
    """Settings, seeds and versions, in the order in which they were given."""
    return section(
        "settings",
        "Settings, seeds and versions",
        table(("setting", "value"), data.settings.items(), words=(0, 1)),
    )
