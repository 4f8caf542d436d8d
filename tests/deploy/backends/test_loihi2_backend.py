"""The Loihi 2 backend, as far as it can be tested without a board; the mocks are in mocks/README.md."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from factories import firing_network, random_inputs

import deploy
from deploy.backends.loihi2 import backend
from deploy.measured import Measured
from dpap import InputError

MOCK = Path(__file__).parents[1] / "mocks" / "loihi_extension"


@pytest.fixture
def extension(monkeypatch):
    """The mock is where the extension would be installed, and the environment names a board."""
    monkeypatch.syspath_prepend(str(MOCK))
    monkeypatch.setenv("NXSDKHOST", "mock")


@pytest.mark.parametrize(
    ("notation", "shape", "input_max", "record"),
    [
        # Graded images into a convolution, with a pool in the next kernel: three axes to turn around.
        ("4C3-AP2-6C3-12FC-5FC", (2, 6, 8), 9, None),
        ("8FC-5FC", (9,), 1, ()),
    ],
)
def test_spikes_are_the_graphs_and_the_numbers_the_probes(extension, notation, shape, input_max, record):
    network = firing_network(notation, shape, 5, input_max=input_max)
    graph, inputs = deploy.compile(network), random_inputs(network, 3)
    recording = deploy.run(graph, inputs, backend="loihi2", record=record)
    fast = deploy.run(graph, inputs, record=record)
    assert recording.backend == "loihi2"
    assert set(recording.kept) == set(fast.kept)
    for name, spikes in fast.kept.items():
        assert 0 < spikes.mean() < 1
        assert np.array_equal(recording.kept[name], spikes), name
    measured = recording.measured
    assert measured.steps == 3 * 5 + len(graph.layers)
    # Power 2 W, of which 0.5 W static; 5 steps of 250 us: 1.25 ms, 2.5 mJ, 1.875 mJ without the static power.
    assert measured.seconds_per_inference == pytest.approx(1.25e-3)
    assert measured.energy == pytest.approx(2.5e-3)
    assert measured.dynamic_energy == pytest.approx(1.875e-3)
    assert (measured.synops, measured.neuron_updates) == (1024, 15)
    assert measured.memory_by_core == {"4": 100, "7": 20}
    assert json.loads(json.dumps(measured.to_dict()))["cores"] == 2
    assert fast.measured is None


def test_probes_without_readings_measure_nothing(extension, monkeypatch):
    monkeypatch.setenv("MOCK_NUMBERS", json.dumps({"total_power": []}))
    network = firing_network("5FC", (4,), 3)
    with pytest.raises(deploy.BackendError, match="power = nan, which cannot be"):
        deploy.run(deploy.compile(network), random_inputs(network, 1), backend="loihi2")


@pytest.mark.parametrize("field", ["power", "static_power", "seconds_per_step", "synops", "neuron_updates"])
@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_numbers_that_cannot_be(field, value):
    sound = {
        "steps": 9,
        "time_steps": 3,
        "power": 1.0,
        "static_power": 0.5,
        "seconds_per_step": 1e-5,
        "synops": 0,
        "neuron_updates": 0,
        "memory_by_core": {"0": 1},
    }
    assert Measured(**sound).energy == pytest.approx(3e-5)
    with pytest.raises(deploy.BackendError, match=f"{field} = {value}"):
        Measured(**sound | {field: value})
    with pytest.raises(deploy.BackendError, match="seconds_per_step = 0"):
        Measured(**sound | {"seconds_per_step": 0})
    with pytest.raises(deploy.BackendError, match="no core in use"):
        Measured(**sound | {"memory_by_core": {}})


def test_without_the_extension_what_is_missing_is_said():
    network = firing_network("5FC", (4,), 3)
    graph, inputs = deploy.compile(network), random_inputs(network, 1)
    with pytest.raises(deploy.BackendUnavailable) as raised:
        deploy.run(graph, inputs, backend="loihi2", host="slurm")
    assert "Loihi extension for Lava (its adapters)" in str(raised.value)
    assert "Loihi extension for Lava (its profiler)" in str(raised.value)
    assert "lava-dl" not in str(raised.value)
    assert "nothing is measured" in str(raised.value)


def test_without_a_board(extension, monkeypatch):
    for name in backend.BOARD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    network = firing_network("5FC", (4,), 3)
    with pytest.raises(deploy.BackendUnavailable, match=r"give host='slurm'.*NXSDKHOST"):
        deploy.run(deploy.compile(network), random_inputs(network, 1), backend="loihi2")


def test_a_board_that_is_not_there(extension):
    network = firing_network("5FC", (4,), 3)
    graph, inputs = deploy.compile(network), random_inputs(network, 1)
    with pytest.raises(deploy.BackendError, match=r"(?s)exit status 1.*N9Z9"):
        deploy.run(graph, inputs, backend="loihi2", generation="N9Z9")
    with pytest.raises(deploy.BackendError, match=r"did not end within 0.01 s \(0 of 1 samples done\)"):
        deploy.run(graph, inputs, backend="loihi2", time_limit=0.01)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("slurm", "slurm p ChipGeneration.N3C1"),
        ("10.0.0.7", "ethernet 10.0.0.7 ChipGeneration.N3C1"),
        ("", ""),
    ],
)
def test_the_board_that_lava_uses(host, expected):
    # In a process of its own, as Lava is never imported in this one.
    program = """
import sys
from lava.utils import loihi
loihi.use_slurm_host = lambda partition, loihi_gen: print("slurm", partition, loihi_gen)
loihi.use_ethernet_host = lambda host, loihi_gen: print("ethernet", host, loihi_gen)
from board import choose_board
choose_board(sys.argv[1] or None, "p", "N3C1")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, host], cwd=backend.WORKER, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("notation", "samples", "part"),
    [("6RFC-5FC", 2, "2 samples for a network with recurrence"), ("5FC", 0, "there is no sample")],
)
def test_samples_that_cannot_run_together(extension, notation, samples, part):
    network = firing_network(notation, (4,), 3)
    with pytest.raises(InputError, match=part):
        deploy.run(deploy.compile(network), random_inputs(network, samples), backend="loihi2")
