"""Spikes and synaptic operations of an inference."""

import numpy as np

from deploy.ir import INPUT
from deploy.measurement.measurement import LayerMeasurement
from deploy.report.bars import Series, bars, network_keys
from deploy.report.data import ReportData, Variant
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, section, tag
from deploy.report.rows import Rows
from deploy.report.scale import AxisQuantity
from deploy.report.style import PRUNED


def activity_section(data: ReportData) -> Html:
    """Spikes and SynOps of each layer, network beside network."""
    return section(
        "activity",
        "Activity and work",
        tag("div", _spikes(data), _synops(data), class_="figures"),
    )


def _spikes(data: ReportData) -> Html:
    keys = network_keys(data.networks)

    def values(variant: Variant) -> list[float]:
        layers = variant.measurement.layers.values()
        received = np.count_nonzero(variant.recording.sent_inputs)
        return [
            count / variant.measurement.samples for count in (received, *(layer.spikes for layer in layers))
        ]

    plot = bars(
        Rows("layer", [INPUT, *data.pruned.measurement.layers], separate_after=1),
        [Series(key, values(variant)) for key, variant in zip(keys, data.networks, strict=True)],
        AxisQuantity("spikes per inference"),
    )
    return figure(
        "Spikes by layer",
        "Spikes that each layer sends in one inference, mean over the test samples, the input above the line;"
        " shorter bars mean fewer messages between neurons.",
        [Panel(plot)],
        keys,
    )


def _synops(data: ReportData) -> Html:
    *before, pruned = network_keys(data.networks)
    dense = Key(f"{data.pruned.label}, if pruned zeros were kept (dense mapping)", PRUNED, "hatched")
    # What receives the input comes first: its work is done for the input, whatever is pruned behind it.
    receives_input = {layer.name: INPUT in layer.sources for layer in data.pruned.graph.layers}
    layers = sorted(data.pruned.measurement.layers.values(), key=lambda layer: not receives_input[layer.name])
    from_input = sum(receives_input.values())

    def values(variant: Variant, count: str) -> list[float]:
        measurement = variant.measurement
        return [getattr(measurement[layer.name], count) / measurement.samples for layer in layers]

    plot = bars(
        Rows("connection", [_connection(layer) for layer in layers], separate_after=from_input),
        [
            *(Series(key, values(data.control, "synops_effective")) for key in before),
            Series(dense, values(data.pruned, "synops_dense")),
            Series(pruned, values(data.pruned, "synops_effective")),
        ],
        AxisQuantity("SynOps per inference"),
    )
    return figure(
        "Synaptic operations by connection",
        "One SynOp is one spike that arrives at one synapse, mean over the test samples, the work for the"
        " input above the line; the step from the hatched to the full bar is what leaving the pruned synapses"
        " out saves.",
        [Panel(plot)],
        (*before, dense, pruned),
    )


def _connection(layer: LayerMeasurement) -> str:
    return f"{layer.source} \N{RIGHTWARDS ARROW} {layer.name}"
