"""Runs to report, small and real, and what a reader finds in the page."""

import base64
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
from factories import firing_network, random_inputs

import deploy
from deploy.hardware import estimate
from deploy.report import ReportData, Variant
from deploy.workflow.deployment import layer_pruning
from dpap.training import EpochRecord

SAMPLES = 3
NOTATION, INPUT_SHAPE, TIME_STEPS = "3C3-AP2-6FC-4FC", (1, 6, 6), 4


def renamed(graph, names):
    """A graph whose layers have other names."""
    layers = tuple(
        replace(
            layer,
            name=names.get(layer.name, layer.name),
            inputs=tuple(replace(one, source=names.get(one.source, one.source)) for one in layer.inputs),
        )
        for layer in graph.layers
    )
    return replace(graph, layers=layers)


def variant(label, network, inputs, labels, names):
    """A network as it is deployed, with a made-up history."""
    graph = renamed(deploy.compile(network), names)
    recording = deploy.run(graph, inputs)
    measurement = deploy.measure(graph, recording)
    return Variant(
        label=label,
        history=[EpochRecord(epoch, 0.5, 0.4, 0.3 + 0.1 * epoch, 0.2) for epoch in (1, 2)],
        pruning={names.get(name, name): layer for name, layer in layer_pruning(network).items()},
        graph=graph,
        recording=recording,
        measurement=measurement,
        estimate=estimate(measurement, "loihi1"),
        accuracy=recording.accuracy(labels),
        trained_accuracy=0.25,
        tested=SAMPLES,
    )


def report_data(prune=None, notation=NOTATION, input_shape=INPUT_SHAPE, names=None, **changes):
    """A report of two networks that fire; ``prune`` is given the layers of one of them."""
    names = names or {}
    networks = [firing_network(notation, input_shape, TIME_STEPS, input_max=3) for _ in range(2)]
    if prune is not None:
        prune(networks[0].layers)
    inputs = random_inputs(networks[0], SAMPLES)
    labels = np.array([0, 1, 2])
    certificate = deploy.verify(deploy.compile(networks[0]), networks[0], inputs, backends=("fast",))
    compared = {names.get(name, name): layer for name, layer in certificate.backends["fast"].items()}
    data = ReportData(
        title="A run",
        settings={"seed": "0"},
        pruned=variant("pruned", networks[0], inputs, labels, names),
        control=variant("control", networks[1], inputs, labels, names),
        labels=labels.tolist(),
        certificate=replace(certificate, backends={"fast": compared}),
    )
    return replace(data, **changes)


class Page(HTMLParser):
    """Elements, texts and plots of a page, as a browser's parser sees them."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.plots, self.cards = [], [], [], {}
        self._open = []
        self.feed(page)

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.elements.append((name, attributes))
        if name not in ("meta", "br"):
            self._open.append((name, attributes))

    def handle_endtag(self, name):
        assert self._open.pop()[0] == name, "an element is closed that was not the last to be opened"

    def handle_data(self, text):
        name, attributes = self._open[-1] if self._open else ("", {})
        if name == "script" and attributes.get("type") == "application/json":
            self.plots.append(json.loads(text))
        elif name not in ("script", "style"):
            self.texts.append(text)
            if attributes.get("class") == "name":
                self.cards[text] = []
            elif attributes.get("class") in ("value", "note"):
                self.cards[list(self.cards)[-1]].append(text)

    @property
    def closed(self):
        """Whether every element is."""
        return not self._open

    @property
    def plot_texts(self):
        """What plotly would write, as far as it comes from the run."""
        for plot in self.plots:
            layout = plot["layout"]
            for axis in (layout["xaxis"], layout["yaxis"]):
                yield from axis.get("ticktext", [])
            for trace in plot["data"]:
                yield from (trace.get("name", ""), *trace.get("text", []), *trace.get("customdata", []))

    @property
    def text(self):
        """What is to be read, with plain spaces."""
        return " ".join(self.texts).replace("\N{NO-BREAK SPACE}", " ")

    def plot(self, axis_title):
        """The first plot whose horizontal axis begins with a title."""
        return next(
            plot for plot in self.plots if plot["layout"]["xaxis"]["title"]["text"].startswith(axis_title)
        )


def numbers(values):
    """Values of a trace, also where they are packed."""
    if isinstance(values, dict):
        flat = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
        shape = [int(size) for size in str(values.get("shape", len(flat))).split(",")]
        return flat.reshape(shape)
    return np.array(values)
