"""What was pruned in each layer."""

from deploy.report.bars import Series, bars
from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, section
from deploy.report.quantities import exact, percent
from deploy.report.rows import Rows
from deploy.report.scale import AxisQuantity
from deploy.report.style import PRUNED


def pruning_section(data: ReportData) -> Html:
    """Synapses and neurons removed, layer by layer."""
    synapses, neurons = {}, {}
    for name, layer in data.pruned.pruning.items():
        unit = " channels" if len(data.pruned.graph[name].shape) > 1 else ""
        synapses[name] = layer.synapses_pruned, layer.synapses, ""
        neurons[name] = layer.neurons_pruned, layer.neurons, unit
    return section(
        "pruning",
        "What was pruned",
        figure(
            "Pruning by layer",
            "Share of each layer's trained synapses and of its neurons (channels, in a convolution) that was"
            " removed; long bars mark the layers in which the network had more than it used.",
            [_panel(data, "synapses pruned", synapses), _panel(data, "neurons pruned", neurons)],
        ),
    )


def _panel(data: ReportData, title: str, counts: dict[str, tuple[int, int, str]]) -> Panel:
    shares = [pruned / total if total else 0.0 for pruned, total, _ in counts.values()]
    notes = [f"{exact(pruned)} of {exact(total)}{unit}" for pruned, total, unit in counts.values()]
    texts = [percent(share) for share in shares]
    series = Series(Key(data.pruned.label, PRUNED), [100 * share for share in shares], texts)
    return Panel(bars(Rows("layer", list(counts), notes), [series], AxisQuantity(title, kind="share")), title)
