"""Names, help and printed objects of the packages, as they are shown interactively."""

import subprocess
import sys

import pytest
from factories import firing_network

import deploy
from dpap.data import load_digits


@pytest.mark.parametrize("package", ["dpap", "deploy"])
def test_public_names_are_listed_before_they_are_used(package):
    program = (
        f"import sys, {package}; print(set({package}.__all__) <= set(dir({package})), 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("module", ["notation", "training", "data", "networks", "blocks"])
def test_help_is_there_after_import(module):
    program = f"import dpap; help(dpap.{module})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"dpap.{module} - " in ended.stdout


def test_printed_objects_are_one_short_line():
    network = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16)
    _, test_split = load_digits()
    graph = deploy.compile(network)
    inputs = test_split.over_time(4, 5)
    recording = deploy.run(graph, inputs)
    measurement = deploy.measure(graph, recording)
    shown = {
        "<Split of 450 samples (1, 8, 8) from 0 to 16": test_split,
        "<Graph of (1, 8, 8) from 0 to 16, T = 4: conv1, fc1, fc2; ": graph,
        "<Layer conv1 of (4, 8, 8), ": graph.layers[0],
        "<Recording of 5 samples, T = 4, on fast: conv1, fc1, fc2": recording,
        "<Measurement of 5 samples, T = 4: ": measurement,
        "<Estimate on loihi1, 5 samples: ": deploy.estimate(measurement, "loihi1"),
        "<Estimate on speck, 5 samples: no cores placed; ": deploy.estimate(
            measurement, "speck", unknown="bound"
        ),
        "<Certificate: 0 mismatches of ": deploy.verify(graph, network, inputs, backends=("fast",)),
        "<Hardware loihi1, Intel Loihi": deploy.load_hardware("loihi1"),
    }
    for beginning, value in shown.items():
        assert repr(value).startswith(beginning)
        assert repr(value).endswith(">") and len(repr(value)) <= 200 and "\n" not in repr(value)


def test_what_was_removed_can_be_read():
    network = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16)
    network.layers["fc1"].mask[:3] = False
    removed = deploy.compile(network).removed
    # Without synapses three neurons cannot fire.
    assert removed["fc1"]["silent"] == [0, 1, 2] and removed["fc1"]["unheard"] == []
    assert repr(removed).splitlines()[1] == "fc1: 3 of 12 removed, 3 that cannot fire and 0 without fan-out"
    assert repr(removed).splitlines()[2] == "fc2: 0 of 10 removed"
    assert str(removed) == repr(removed)
    assert isinstance(removed, dict)
