"""Figures of how a structure developed: they hold the recorded values."""

import re
from dataclasses import replace

import numpy as np
import pytest
from report_pages import Page, numbers, report_data

import deploy
from deploy.hardware import estimate
from deploy.hardware.stopping import stops_early
from deploy.report import render
from dpap.pruning.pruning_history_file import (
    RecordedLayerHistory,
    RecordedPruningHistory,
    RecordedUnitHistory,
)

EPOCHS = 3
RATES = {"conv1": [0.0, 0.0, 0.0], "fc1": [0.0, 0.5, 0.75], "fc2": [0.0, 0.25, 0.25]}


def units():
    """Six synapses: three pruned in epoch 3, two retained, one absent from the start."""
    survival = np.full((8, 6), np.nan)
    survival[5:, :3] = [[3, 4, 5], [1, 2, 9], [-1, -2, -3]]
    survival[5:, 3:5] = [[10, 20], [11, 21], [12, 30]]
    return RecordedUnitHistory(
        places=np.arange(6),
        survival=survival,
        pruned_in=np.array([3, 3, 3, 0, 0, -1]),
        importance=np.array([0.0, 0.1, 0.4, 0.5, 0.9, np.nan]),
        quantiles=np.full((EPOCHS, 5), np.nan),
    )


def shrinking():
    """A record of DPAP."""
    layers = {
        name: RecordedLayerHistory(np.array(rates), np.array([3, 3, 3]), {}, None, {})
        for name, rates in RATES.items()
    }
    layers["fc1"] = replace(layers["fc1"], units={"synapses": units()})
    return RecordedPruningHistory(EPOCHS, layers)


def growing():
    """A record of SD-SNN."""
    none = np.zeros(EPOCHS, np.int64)
    flows = ("synapses_pruned", "synapses_regrown", "neurons_pruned", "neurons_regrown")
    still = dict.fromkeys(flows, none)
    moved = still | {"synapses_pruned": np.array([0, 8, 2]), "synapses_regrown": np.array([0, 0, 5])}
    ranges = np.array([[2.0, 2, 2, 2, 2], [1, 1.5, 2, 2.5, 3], [0.5, 1, 1.25, 2, 4]])
    return RecordedPruningHistory(
        EPOCHS,
        {
            "conv1": RecordedLayerHistory(np.array(RATES["conv1"]), np.array([3, 3, 3]), {}, ranges, still),
            "fc1": RecordedLayerHistory(np.array(RATES["fc1"]), np.array([6, 6, 6]), {}, ranges / 2, moved),
        },
    )


@pytest.fixture(scope="module")
def data():
    return report_data()


@pytest.fixture(scope="module")
def page(data):
    return Page(render(replace(data, pruning_history=shrinking())))


def plot_of(page, vertical):
    """All plots whose vertical axis has a title."""
    return [plot for plot in page.plots if plot["layout"]["yaxis"]["title"]["text"] == vertical]


def traces(plot):
    return {trace["name"]: trace for trace in plot["data"]}


def test_connections_are_those_that_remain_after_each_epoch(page):
    (plot,) = plot_of(page, "remaining synapses (%)")
    assert plot["layout"]["xaxis"]["title"]["text"] == "epoch"
    drawn = traces(plot)
    assert list(drawn) == list(RATES)
    for name, rates in RATES.items():
        assert numbers(drawn[name]["x"]).tolist() == [1, 2, 3]
        assert numbers(drawn[name]["y"]) == pytest.approx([100 * (1 - rate) for rate in rates])
    # fc1 has 6 x 27 weights, of which half and then a quarter are left.
    assert drawn["fc1"]["customdata"] == ["162", "81", "40"]


def test_lines_that_coincide_are_all_seen(page):
    (plot,) = plot_of(page, "remaining synapses (%)")
    widths = [trace["line"]["width"] for trace in plot["data"]]
    # Drawn later, and so in front, is narrower.
    assert widths == sorted(set(widths), reverse=True)


def test_survival_functions_have_their_quartiles(page):
    (plot,) = plot_of(page, "survival function F")
    lower, upper, retained, *pruned = plot["data"]
    assert numbers(retained["x"]).tolist() == [-2, -1, 0]
    # Of 10 and 20, of 11 and 21, of 12 and 30.
    assert numbers(retained["y"]) == pytest.approx([15, 16, 21])
    assert numbers(lower["y"]) == pytest.approx([12.5, 13.5, 16.5])
    assert numbers(upper["y"]) == pytest.approx([17.5, 18.5, 25.5])
    lower, upper, middle = pruned
    assert numbers(middle["y"]) == pytest.approx([4, 2, -2])
    assert numbers(lower["y"]) == pytest.approx([3.5, 1.5, -2.5])
    assert numbers(upper["y"]) == pytest.approx([4.5, 5.5, -1.5])
    assert "fc1, synapses: 3 pruned, 2 retained" in page.text


def test_importance_is_drawn_as_its_distribution(page):
    (plot,) = plot_of(page, "share of units (%)")
    drawn = traces(plot)
    shares = numbers(drawn["pruned"]["y"])
    for name, values in (("pruned", [0.0, 0.1, 0.4]), ("retained", [0.5, 0.9])):
        curve = numbers(drawn[name]["x"])
        assert (curve[0], curve[-1]) == (values[0], values[-1])
        assert np.interp(50, shares, curve) == pytest.approx(np.median(values))


def test_what_was_not_pruned_is_not_drawn(data):
    still = units()
    still = replace(still, pruned_in=np.minimum(still.pruned_in, 0))
    record = shrinking()
    record.layers["fc1"] = replace(record.layers["fc1"], units={"synapses": still})
    page = Page(render(replace(data, pruning_history=record)))
    assert "No synapse and no neuron was pruned by its survival function." in page.text
    assert not plot_of(page, "survival function F")


def test_ranges_and_turnover_are_drawn(data):
    page = Page(render(replace(data, pruning_history=growing())))
    conv1, fc1 = plot_of(page, "width of the range (weight)")
    for plot, factor in ((conv1, 1), (fc1, 0.5)):
        lower, upper, middle, narrowest, widest = plot["data"]
        assert numbers(middle["y"]) == pytest.approx(factor * np.array([2, 2, 1.25]))
        assert numbers(lower["y"]) == pytest.approx(factor * np.array([2, 1.5, 1]))
        assert numbers(upper["y"]) == pytest.approx(factor * np.array([2, 2.5, 2]))
        assert numbers(narrowest["y"]) == pytest.approx(factor * np.array([2, 1, 0.5]))
        assert numbers(widest["y"]) == pytest.approx(factor * np.array([2, 3, 4]))
    # Nothing moved in conv1, and no neurons anywhere.
    (plot,) = plot_of(page, "synapses per epoch")
    assert numbers(traces(plot)["regrown"]["y"]).tolist() == [0, 0, 5]
    assert numbers(traces(plot)["pruned"]["y"]).tolist() == [0, -8, -2]
    assert "fc1: 10 pruned, 5 regrown" in page.text
    assert not plot_of(page, "neurons per epoch")
    assert not plot_of(page, "survival function F")


@pytest.mark.parametrize("record", [shrinking(), growing()])
def test_every_figure_has_a_caption_and_every_axis_a_title(data, record):
    html = render(replace(data, pruning_history=record))
    section = re.search(r'<section id="development">(.*?)</section>', html, re.S)[1]
    assert section.count("<figure>") == section.count("</figcaption></figure>") == 3
    for plot in Page(html).plots:
        assert all(plot["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))


def test_a_run_whose_test_part_was_left_alone_shows_validation(data):
    untested = {"test_accuracy": None, "validation_accuracy": 0.75}
    history = [replace(record, **untested) for record in data.pruned.history]
    page = Page(render(replace(data, pruned=replace(data.pruned, history=history))))
    lines = {line.get("name"): line for plot in page.plots for line in plot["data"]}
    assert numbers(lines["pruned, validation"]["y"]).tolist() == [75.0, 75.0]
    assert "pruned, test" not in lines and "control, test" in lines


def test_accuracy_in_torch_and_in_integers_stand_side_by_side(data):
    pruned = replace(data.pruned, accuracy=0.9512, trained_accuracy=0.9505, tested=10000)
    page = Page(render(replace(data, pruned=pruned)))
    assert "95.05 % 95.12 % +0.07 10,000" in page.text


@pytest.mark.parametrize(
    ("target", "beside"),
    [
        ("loihi1", False),
        ("loihi2", False),
        ("loihi2", True),
        ("loihi2-scaled", False),
        ("cpu_i7_4960x", True),
        ("truenorth", True),
    ],
)
def test_every_kind_of_target_is_reported_with_and_without_a_control(data, target, beside):
    def priced(variant):
        return replace(variant, estimate=estimate(variant.measurement, target, unknown="bound"))

    changed = replace(data, pruned=priced(data.pruned), control=priced(data.control) if beside else None)
    networks = changed.networks
    exits = comparison = None
    if stops_early(target):
        exits = tuple(
            deploy.early_exit(one.recording, data.labels, target, unknown="bound") for one in networks
        )
    if beside:
        comparison = deploy.compare(*(one.measurement for one in networks), target, unknown="bound")
    page = Page(render(replace(changed, early_exit=exits, comparison=comparison)))
    assert page.closed
    assert ("control" in page.text) == beside
    assert (f"Energy on {target}" in page.text) and (f"Time and cores on {target}" in page.text)
    if changed.pruned.estimate.label:
        assert changed.pruned.estimate.label in page.text
