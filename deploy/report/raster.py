"""Spikes of one test sample, layer by layer."""

import math

import numpy as np
import plotly.graph_objects as go

from deploy.ir import Layer
from deploy.report.data import ReportData
from deploy.report.figure import Key, Panel, figure
from deploy.report.markup import Html, section
from deploy.report.quantities import exact
from deploy.report.style import INK, REMOVED, axis, layout, whole_ticks

MAX_ROWS, MAX_COLUMNS = 200, 250
"""Cells of a raster; what exceeds them is drawn in groups of neighbours, so that no spike is lost."""

_HEIGHT = 300
_SPIKE = "#0B3C5D"
_FEW = "#BCD0DF"
"""The lightest shade of a cell that stands for several neurons or steps."""


def raster_section(data: ReportData) -> Html:
    """The input with its label and prediction, and one raster a layer."""
    recording, sample = data.pruned.recording, data.raster_sample
    label, prediction = data.labels[sample], recording.predictions[sample]
    largest = max(math.prod(layer.shape) for layer in recording.graph.layers)
    keys = [Key("spike", _SPIKE), Key("no spike", "white", "outlined"), Key("removed neuron", REMOVED)]
    if largest > MAX_ROWS or len(recording.inputs[sample]) > MAX_COLUMNS:
        keys.insert(1, Key("fewer spikes, in a row of several neurons", _FEW))
    panels = [_input_panel(recording.inputs[sample], f"input: label {label}, prediction {prediction}")]
    panels += [_layer_panel(layer, recording.kept[layer.name][sample]) for layer in recording.graph.layers]
    return section(
        "raster",
        "Spikes of one sample",
        figure(
            f"Test sample {sample} in {data.pruned.label}",
            "Every spike of every neuron over the time steps of one inference; grey rows are neurons that no"
            " longer exist, white ones neurons that stay silent, and the output row with the most spikes is"
            " the prediction.",
            panels,
            keys,
            narrow=True,
        ),
    )


def _layer_panel(layer: Layer, spikes: np.ndarray) -> Panel:
    steps = len(spikes)
    by_neuron = layer.expand(spikes).reshape(steps, -1).T
    exists = layer.expand(np.ones((1, *layer.kept_shape), bool)).reshape(-1, 1)
    rows, columns = math.ceil(len(by_neuron) / MAX_ROWS), math.ceil(steps / MAX_COLUMNS)
    counts = grouped(by_neuron, rows, columns)
    # Removed neurons have a value below zero, and a colour of their own.
    counts[~grouped(exists, rows, 1).astype(bool).ravel()] = -1
    title = f"{layer.name}: {exact(layer.size)} of {exact(len(by_neuron))} neurons"
    return Panel(_heatmap(counts, rows, columns, _spike_colours(int(counts.max())), -1), title)


def grouped(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Sums over blocks of neighbouring rows and columns, the last of which may be smaller; int32."""
    summed = np.add.reduceat(values, np.arange(0, values.shape[0], rows), axis=0, dtype=np.int32)
    return np.add.reduceat(summed, np.arange(0, values.shape[1], columns), axis=1, dtype=np.int32)


def _input_panel(inputs: np.ndarray, title: str) -> Panel:
    if inputs.ndim == 2:
        steps, size = inputs.shape
        rows, columns = math.ceil(size / MAX_ROWS), math.ceil(steps / MAX_COLUMNS)
        values = grouped(inputs.T, rows, columns)
        return Panel(_heatmap(values, rows, columns, [[0, "white"], [1, INK]], 0), title)
    # An image whatever the channels mean: colours, or the polarities of an event camera.
    image = inputs.mean(0).sum(0, dtype=np.float32)
    plot = go.Figure(
        layout=layout(
            axis("column (pixel)", constrain="domain", showgrid=False, nticks=6),
            axis(
                "row (pixel)",
                autorange="reversed",
                scaleanchor="x",
                constrain="domain",
                showgrid=False,
                nticks=6,
            ),
            _HEIGHT,
        )
    )
    plot.add_heatmap(
        z=image,
        colorscale=[[0, "white"], [1, INK]],
        zmin=0,
        showscale=False,
        hovertemplate="row %{y}, column %{x}: %{z:.3g}<extra></extra>",
    )
    return Panel(plot, title)


def _heatmap(values: np.ndarray, rows: int, columns: int, colours: list, lowest: int) -> go.Figure:
    height, width = values.shape
    index = "neuron index" if rows == 1 else f"neuron index, {rows} a row"
    plot = go.Figure(
        layout=layout(
            axis("time step", showgrid=False, **whole_ticks(width * columns)),
            axis(index, autorange="reversed", showgrid=False, **whole_ticks(height * rows)),
            _HEIGHT,
        )
    )
    plot.add_heatmap(
        z=values,
        x0=(columns - 1) / 2,
        dx=columns,
        y0=(rows - 1) / 2,
        dy=rows,
        colorscale=colours,
        zmin=lowest,
        zmax=max(1, int(values.max())),
        showscale=False,
        hovertemplate="neuron %{y}, step %{x}<extra></extra>",
    )
    return plot


def _spike_colours(largest: int) -> list:
    """Scale from -1 to the largest count: removed, silent, then spikes from few to many."""
    span = max(1, largest) + 1
    silent, few = 0.5 / span, 1.5 / span
    first = _SPIKE if largest <= 1 else _FEW
    return [[0, REMOVED], [silent, REMOVED], [silent, "white"], [few, "white"], [few, first], [1, _SPIKE]]
