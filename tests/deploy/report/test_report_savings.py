from dataclasses import replace

import pytest
from report_pages import SAMPLES, TIME_STEPS, Page, numbers, report_data

import deploy
from deploy.report import render


def prune_some(layers):
    layers["conv1"].mask[1] = 0
    layers["fc1"].mask[:, :9] = 0


@pytest.fixture(scope="module")
def data():
    data = report_data(prune_some)
    comparison = deploy.compare(data.control.measurement, data.pruned.measurement)
    exits = tuple(deploy.early_exit(v.recording, data.labels) for v in (data.control, data.pruned))
    return replace(data, comparison=comparison, early_exit=exits)


@pytest.fixture(scope="module")
def page(data):
    return Page(render(data))


def test_bars_lead_from_dense_to_pruned(data, page):
    scales = {"pJ": 1e-12, "nJ": 1e-9, "µJ": 1e-6}
    names = ["dense", "zeros kept", "zeros left out", "neurons left out", "pruned"]
    plots = [plot for plot in page.plots if plot["layout"]["yaxis"].get("ticktext") == names]
    assert len(plots) == 2
    for plot, (name, saving) in zip(plots, data.comparison.energy.items(), strict=True):
        unit = plot["layout"]["xaxis"]["title"]["text"].split("(")[1].split(")")[0]
        drawn = numbers(plot["data"][0]["x"]) * scales[unit]
        assert drawn[0] == pytest.approx(saving.dense)
        assert drawn[1] == pytest.approx(saving.zeros_kept)
        assert drawn[-1] == pytest.approx(saving.pruned)
        assert f"cost set {name}" in page.text


def test_causes_are_in_the_table(page):
    for words in ("by fewer spikes", "by fewer synapses", "by fewer neurons", "by fewer cores", "memory"):
        assert words in page.text


def test_curves_have_a_point_a_step(data, page):
    plots = [p for p in page.plots if p["layout"]["yaxis"]["title"]["text"] == "accuracy (%)"]
    curves = [p for p in plots if p["layout"]["xaxis"]["title"]["text"].startswith("energy")]
    assert len(curves) == 2
    for plot in curves:
        for trace, result in zip(plot["data"], data.early_exit, strict=True):
            assert len(numbers(trace["x"])) == TIME_STEPS
            assert numbers(trace["y"]) == pytest.approx([100 * value for value in result.accuracy])
    assert f"of {TIME_STEPS}: stopping there saves" in page.text


def test_sections_are_left_out_where_there_is_nothing(data):
    page = Page(render(replace(data, comparison=None, early_exit=None)))
    assert "What pruning saved" not in page.text and "Stopping early" not in page.text


def test_the_label_of_a_target_is_said(data):
    comparison = replace(data.comparison, label="scaled from Loihi 1, not Loihi 2")
    page = Page(render(replace(data, comparison=comparison)))
    assert "scaled from Loihi 1, not Loihi 2." in page.text
    assert page.closed


def test_a_target_without_energies(data):
    measurements = (data.control.measurement, data.pruned.measurement)
    comparison = deploy.compare(*measurements, "loihi2", unknown="bound")
    exits = tuple(
        deploy.early_exit(v.recording, data.labels, "loihi2", unknown="bound")
        for v in (data.control, data.pruned)
    )
    page = Page(render(replace(data, comparison=comparison, early_exit=exits)))
    assert page.text.count("No energy is published") == 2
    assert len(data.labels) == SAMPLES
