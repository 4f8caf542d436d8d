"""Time and cores of an inference on a chip."""

from deploy.report.bars import Series, bars, network_keys
from deploy.report.data import ReportData, Variant
from deploy.report.figure import Panel, figure
from deploy.report.markup import Html, paragraph, section, table, tag
from deploy.report.quantities import exact, percent
from deploy.report.rows import Rows
from deploy.report.scale import AxisQuantity


def resources_section(data: ReportData) -> Html:
    """Time per inference by cost set, and cores by layer."""
    title = f"Time and cores on {data.pruned.estimate.hardware}"
    if not data.pruned.estimate.mapping:
        return section("resources", title, _time(data), *(paragraph(_bounds(one)) for one in data.networks))
    return section(
        "resources",
        title,
        tag("div", _time(data), _cores(data), class_="figures"),
        tag("h3", "How the layers are placed on cores"),
        paragraph(
            "What limits the number of cores, and how full the fullest core of each layer is.",
            *_misfits(data),
        ),
        _mapping(data),
    )


def _time(data: ReportData) -> Html:
    keys = network_keys(data.networks)
    times = {
        name: [variant.estimate.cost_sets[name].time for variant in data.networks]
        for name in data.pruned.estimate.cost_sets
    }
    known = {name: values for name, values in times.items() if None not in values}
    if not known:
        return paragraph("No times are published for this hardware.")
    series = [
        Series(key, values) for key, values in zip(keys, zip(*known.values(), strict=True), strict=True)
    ]
    errors = [
        f" {name} has a published error of {percent(cost_set.time_error)}."
        for name, cost_set in data.pruned.estimate.cost_sets.items()
        if cost_set.time_error is not None
    ]
    return figure(
        "Time per inference",
        f"Estimated time of one inference of {data.pruned.measurement.time_steps} time steps, by cost set"
        f"{'' if data.control is None else '; compare the two bars of one cost set'}.{''.join(errors)}",
        [Panel(bars(Rows("cost set", list(known)), series, AxisQuantity("time per inference", "s")))],
        keys,
    )


def _cores(data: ReportData) -> Html:
    keys = network_keys(data.networks)
    layers = list(data.pruned.estimate.mapping)
    series = [
        Series(key, [variant.estimate.mapping[layer].cores for layer in layers])
        for key, variant in zip(keys, data.networks, strict=True)
    ]
    totals = ", ".join(f"{variant.label} {_chips(variant)}" for variant in data.networks)
    return figure(
        "Cores by layer",
        f"Cores that each layer takes (in all: {totals}); fewer cores leave room for other networks.",
        [Panel(bars(Rows("layer", layers), series, AxisQuantity("cores", kind="whole")))],
        keys,
    )


def _bounds(variant: Variant) -> str:
    bounds = variant.estimate.core_range
    exceeded = "".join(f" It does not fit: {violation}." for violation in variant.estimate.violations)
    if bounds is None:
        return f"{variant.label}: nothing is placed on cores.{exceeded}"
    return (
        f"{variant.label}: {exact(bounds.lower)} to {exact(bounds.upper)} cores, by rules that are not"
        f" verified: {' '.join(bounds.assumptions)}{exceeded}"
    )


def _chips(variant: Variant) -> str:
    estimate = variant.estimate
    cores = f"{exact(estimate.cores)} {'core' if estimate.cores == 1 else 'cores'}"
    return f"{cores} on {exact(estimate.chips)} {'chip' if estimate.chips == 1 else 'chips'}"


def _misfits(data: ReportData) -> list[Html]:
    return [
        tag(
            "strong",
            f" {layer} of {variant.label} exceeds a limit: it does not fit on this hardware.",
            class_="bad",
        )
        for variant in data.networks
        for layer, mapping in variant.estimate.mapping.items()
        if not mapping.fits
    ]


def _mapping(data: ReportData) -> Html:
    # The same limits for every layer of a target.
    limits = list(next(iter(data.pruned.estimate.mapping.values())).utilisation)
    rows = []
    for name in data.pruned.estimate.mapping:
        for variant in data.networks:
            layer = variant.estimate.mapping[name]
            shares = (percent(layer.utilisation[limit]) for limit in limits)
            rows.append((name, variant.label, layer.encoding, layer.limited_by, exact(layer.cores), *shares))
    head = ("layer", "network", "encoding", "limited by", "cores", *(f"{limit} used" for limit in limits))
    return table(head, rows, words=(0, 1, 2, 3))
