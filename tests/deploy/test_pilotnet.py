"""lava-dl's PilotNet of LIF neurons: its integers give the spikes and voltages that its authors recorded.

Source: lava-nc/lava-dl, ``tests/lava/lib/dl/netx/gts/pilotnet_lif``, BSD-3-Clause.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from netx_file import read_netx

import deploy
from deploy.ir.validation import validate_graph
from dpap.neurons import LIF, membrane
from dpap.neurons.function import Population

FOLDER = Path(os.environ.get("DPAP_DATA") or "") / "models" / "pilotnet_lif"

pytestmark = pytest.mark.skipif(
    not os.environ.get("DPAP_DATA") or not (FOLDER / "network.net").is_file(),
    reason="no models/pilotnet_lif in DPAP_DATA",
)

STEPS = 16
"""``simulation/tSample`` of the file: neurons are reset after so many steps."""

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2", "fc3")


@pytest.fixture(scope="module")
def recorded():
    """Spikes by layer, uint8 ``(24, *shape)``; layer k is k steps late."""
    with np.load(FOLDER / "recorded.npz") as file:
        return {
            name: np.unpackbits(file[name], count=int(np.prod(file[f"{name}_shape"]))).reshape(
                file[f"{name}_shape"]
            )
            for name in ("input", *LAYERS)
        }


@pytest.fixture(scope="module")
def graph():
    return read_netx(FOLDER / "network.net", STEPS)


def late(values, lag):
    """The sample's steps; the recording starts with the input's first, and ends before the last layers do."""
    return values[lag : lag + STEPS]


def test_all_recorded_spikes_are_the_fast_simulators(graph, recorded):
    assert [layer.name for layer in graph.layers] == [*LAYERS, "fc4"]
    assert graph.output.neuron.threshold == 131071
    validate_graph(graph)
    run = deploy.run(graph, recorded["input"][None, :STEPS])
    differ = {}
    for lag, name in enumerate(LAYERS, start=1):
        expected = late(recorded[name], lag)
        assert expected.any(), name
        differ[name] = np.count_nonzero(run.spikes[name][0] != expected)
    assert differ == dict.fromkeys(LAYERS, 0)
    # Not a comparison of silence.
    assert sum(int(late(recorded[name], lag).sum()) for lag, name in enumerate(LAYERS, start=1)) == 176124


@pytest.mark.parametrize("name", ["conv5", "fc1", "fc2", "fc3"])
def test_recorded_voltages_are_the_neurons(graph, recorded, name):
    lag, layer = LAYERS.index(name) + 1, graph[name]
    before = late(recorded[layer.sources[0]], lag - 1).reshape(STEPS, -1)
    sums = torch.from_numpy((graph.synapse_matrix(layer) @ before.T.astype(np.int32)).T.astype(np.float32))
    neuron = layer.neuron
    lif = LIF(
        threshold=neuron.threshold / 64,
        current_decay=neuron.current_decay / 4096,
        voltage_decay=neuron.voltage_decay / 4096,
    )
    population = Population(lif, neuron.threshold, 64, STEPS)
    bias = torch.from_numpy(layer.neuron_bias.astype(np.float32))
    spikes, voltage = membrane(sums[:, None], population, bias)
    assert np.array_equal(spikes[:, 0].numpy(), late(recorded[name], lag).reshape(STEPS, -1))
    with np.load(FOLDER / "voltages.npz") as file:
        expected = late(file[name], lag).reshape(STEPS, -1)
    # Loihi keeps the refractory period in the register of the voltage: 128 where a neuron has just fired.
    assert np.array_equal(np.where(spikes[:, 0] > 0, 128, voltage[:, 0]), expected)
    assert spikes.any() and (expected != 0).any()
