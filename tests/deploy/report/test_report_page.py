import re
from dataclasses import replace

import numpy as np
import pytest
from report_pages import SAMPLES, TIME_STEPS, Page, numbers, report_data

from deploy.report import render
from deploy.verification.verification import Mismatch

HOSTILE = "</script><script>alert(1)</script><b>&amp;"


def prune_some(layers):
    layers["conv1"].mask[1] = 0
    layers["fc1"].mask[:, :9] = 0


@pytest.fixture(scope="module")
def data():
    return report_data(prune_some)


@pytest.fixture(scope="module")
def html(data):
    return render(data)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_one_file_that_loads_nothing(html, page):
    loading = {"src", "href", "srcset", "data", "action", "poster", "background"}
    assert not [element for element in page.elements if loading & set(element[1])]
    assert not {"link", "iframe", "object", "embed", "base"} & {name for name, _ in page.elements}
    assert not re.search(r"url\(|@import", re.search(r"<style>(.*?)</style>", html, re.S)[1])
    assert html.startswith("<!DOCTYPE html>")
    assert page.closed


def test_plotly_is_in_the_page_once(html):
    assert html.count("* plotly.js v") == 1
    assert len(html) < 6e6


def test_every_plot_has_titles_with_units_on_both_axes(page):
    with_unit = r"\((%|[fpnµm]?[Js]|pixel)\)|per inference|^epoch$|^time step$|^neuron index|^cores$"
    named_rows = {"layer", "connection", "network", "cost set"}
    assert len(page.plots) > 10
    for plot in page.plots:
        horizontal, vertical = (plot["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))
        assert re.search(with_unit, horizontal)
        assert vertical in named_rows or re.search(with_unit, vertical)


def test_every_figure_has_a_caption_of_one_sentence(html):
    figures = re.findall(r"<figure>(.*?)</figure>", html, re.S)
    captions = re.findall(r"<figcaption>([^<]+)</figcaption></figure>", html)
    assert len(figures) == len(captions) == 10
    assert all(caption.endswith(".") for caption in captions)


def test_the_header_has_the_run_s_numbers(data, page):
    cards = {name: " ".join(texts).replace("\N{NO-BREAK SPACE}", " ") for name, texts in page.cards.items()}
    accuracies = [f"{100 * variant.accuracy:.2f} %" for variant in (data.pruned, data.control)]
    assert cards["Test accuracy"].startswith(accuracies[0])
    assert f"control {accuracies[1]}" in cards["Test accuracy"]
    # 27 weights in conv1, 9 of them in the pruned channel; fc1 has 6 x 27 and loses 6 x 9; fc2 has 24.
    assert cards["Synapses pruned"].startswith(f"{100 * (9 + 54) / (27 + 162 + 24):.1f} %")
    # 4 steps x 3 samples x (2 channels of 36, 6 and 4 neurons); the first channel has no fan-out.
    assert cards["Certificate: spikes that differ"].startswith("0 of 984 compared")
    assert f"{data.pruned.measurement.total('synapses')} " in cards["Synapses deployed"].replace(",", "")
    synops = data.pruned.measurement.total("synops_effective") / SAMPLES
    assert float(cards["SynOps per inference"].split()[0]) == pytest.approx(synops / 1000, rel=5e-3)
    for name, cost_set in data.pruned.estimate.cost_sets.items():
        value, unit, *_ = cards[f"Energy per inference, {name}"].split()
        joules = float(value) * {"pJ": 1e-12, "nJ": 1e-9, "µJ": 1e-6}[unit]
        assert joules == pytest.approx(cost_set.dynamic_energy, rel=5e-3)


def test_cost_sets_stand_apart(data, page):
    energy = [plot for plot in page.plots if "barmode" in plot["layout"]]
    assert len(energy) == len(data.pruned.estimate.cost_sets) == 2
    scales = {"pJ": 1e-12, "nJ": 1e-9, "µJ": 1e-6}
    for plot, cost_set in zip(energy, data.pruned.estimate.cost_sets.values(), strict=True):
        unit = plot["layout"]["xaxis"]["title"]["text"].split("(")[1].rstrip(")")
        stacked = sum(numbers(trace["x"])[1] for trace in plot["data"]) * scales[unit]
        assert stacked == pytest.approx(cost_set.dynamic_energy)
        assert f"cost set {cost_set.name}" in page.text


def test_synops_by_connection_add_up_to_the_measurement(data, page):
    plot = page.plot("SynOps")
    control, dense, pruned = (numbers(trace["x"]).sum() * SAMPLES for trace in plot["data"])
    assert control == pytest.approx(data.control.measurement.total("synops_effective"))
    assert dense == pytest.approx(data.pruned.measurement.total("synops_dense"))
    assert pruned == pytest.approx(data.pruned.measurement.total("synops_effective"))
    assert plot["layout"]["yaxis"]["ticktext"][0] == "input \N{RIGHTWARDS ARROW} conv1"


def test_the_raster_has_every_spike_and_marks_what_was_removed(data, page):
    rasters = [plot for plot in page.plots if plot["layout"]["xaxis"]["title"]["text"] == "time step"]
    layers = data.pruned.graph.layers
    assert len(rasters) == len(layers)
    for plot, layer in zip(rasters, layers, strict=True):
        cells = numbers(plot["data"][0]["z"])
        spikes = data.pruned.recording.spikes[layer.name][0].reshape(TIME_STEPS, -1).T
        removed = np.ones(layer.shape, bool)
        removed[layer.kept] = False
        np.testing.assert_array_equal(cells, np.where(removed.reshape(-1, 1), -1, spikes))


def test_the_input_is_an_image_where_it_has_positions(data, page):
    image = numbers(page.plot("column")["data"][0]["z"])
    np.testing.assert_allclose(image, data.pruned.recording.inputs[0].mean(0)[0])
    prediction = data.pruned.recording.predictions[0]
    assert f"input: label {data.labels[0]}, prediction {prediction}" in page.text


def test_a_mismatch_is_reported_with_its_place(data):
    layer = replace(
        data.certificate.backends["fast"]["fc1"], mismatches=7, first_mismatch=Mismatch(2, 3, (5,), 1, 0)
    )
    backends = {"fast": data.certificate.backends["fast"] | {"fc1": layer}}
    page = Page(render(replace(data, certificate=replace(data.certificate, backends=backends))))
    assert page.cards["Certificate: spikes that differ"][0] == "7"
    assert "7 spikes differ" in page.text
    assert "sample 2, step 3, neuron 5: 0 instead of 1" in page.text


def test_text_of_the_run_is_never_markup():
    data = report_data(
        prune_some, names={"conv1": HOSTILE, "fc1": "2"}, title=HOSTILE, settings={HOSTILE: HOSTILE}
    )
    data = replace(
        data, pruned=replace(data.pruned, label=HOSTILE), control=replace(data.control, label=f"{HOSTILE}2")
    )
    html = render(data)
    page = Page(html)
    assert "<script>alert" not in html
    assert page.closed
    assert page.text.count(HOSTILE) > 20
    assert [name for name, _ in page.elements].count("script") == len(page.plots) + 2
    # Plotly reads tags and entities too; its only tags are the page's own.
    texts = [re.sub(r"<br>|</?span[^>]*>", "", str(text)) for text in page.plot_texts]
    assert any("&lt;script&gt;" in text for text in texts)
    assert not [text for text in texts if "<" in text]


def test_layers_with_names_like_numbers_keep_them():
    page = Page(render(report_data(names={"conv1": "10", "fc1": "2"})))
    assert page.plot("spikes")["layout"]["yaxis"]["ticktext"] == ["input", "10", "2", "fc2"]


def test_a_network_that_is_silent_and_nearly_gone():
    def prune(layers):
        layers["conv1"].mask[1:] = 0
        layers["fc1"].mask[1:] = 0
        layers["conv1"].weight.data.abs_().mul_(-1)

    data = report_data(prune)
    assert data.pruned.measurement.total("spikes") == 0
    page = Page(render(data))
    assert "does not spike on fast" in page.text
    spikes = page.plot("spikes")["data"][1]
    assert spikes["text"][1:] == ["0", "0", "0"]


def test_no_energy_at_all(data):
    def without(variant):
        cost_sets = {
            name: replace(
                cost_set,
                parts=tuple(
                    replace(part, value=None if index else 0.0) for index, part in enumerate(cost_set.parts)
                ),
                dynamic_energy=0.0,
                static_energy={"no source": None},
                time=None,
                layers={layer: dict.fromkeys(kinds, 0.0) for layer, kinds in cost_set.layers.items()},
            )
            for name, cost_set in variant.estimate.cost_sets.items()
        }
        return replace(variant, estimate=replace(variant.estimate, cost_sets=cost_sets))

    page = Page(render(replace(data, pruned=without(data.pruned), control=without(data.control))))
    assert page.cards["Energy per inference, davies2018"][0] == "0\N{NO-BREAK SPACE}J"
    assert "No times are published" in page.text


def test_a_flat_input_is_a_raster():
    page = Page(render(report_data(notation="9FC-4FC", input_shape=(7,))))
    first = next(plot for plot in page.plots if plot["layout"]["xaxis"]["title"]["text"] == "time step")
    assert numbers(first["data"][0]["z"]).shape == (7, TIME_STEPS)


def test_many_neurons_are_grouped_without_losing_a_spike():
    data = report_data(notation="4100FC-4FC", input_shape=(7,))
    html = render(data)
    page = Page(html)
    rasters = [plot for plot in page.plots if plot["layout"]["xaxis"]["title"]["text"] == "time step"]
    cells = numbers(rasters[1]["data"][0]["z"])
    layer = data.pruned.graph.layers[0]
    assert len(cells) <= 200
    assert cells.clip(0).sum() == data.pruned.recording.kept[layer.name][0].sum() > 0
    assert rasters[1]["layout"]["yaxis"]["title"]["text"] == "neuron index, 21 a row"
    assert len(html) < 6e6


@pytest.mark.parametrize("ratio, logarithmic", [(100, False), (1000, True)])
def test_wide_ranges_are_drawn_on_a_logarithmic_axis(data, ratio, logarithmic):
    layers = {
        name: replace(layer, spikes=3 * ratio if name == "conv1" else 3 * (name == "fc1"))
        for name, layer in data.pruned.measurement.layers.items()
    }
    measurement = replace(data.pruned.measurement, layers=layers)
    changed = replace(data.pruned, measurement=measurement)
    control = replace(data.control, measurement=measurement)
    plot = Page(render(replace(data, pruned=changed, control=control))).plot("spikes")
    assert (plot["layout"]["xaxis"].get("type") == "log") == logarithmic
    # A layer without spikes has its number all the same.
    assert plot["data"][0]["text"][-1] == "0"
    assert ("logarithmic" in plot["layout"]["xaxis"]["title"]["text"]) == logarithmic
