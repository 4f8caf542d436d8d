"""NIR files that are written here run in snnTorch and Norse with the same spikes."""

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states
from nir_references import CubaLIF, Delay, in_nirtorch, in_norse, in_snntorch, nir

import deploy
from dpap import LIF
from dpap.neurons import reference

# Decays that halve: with few steps no fraction of an integer is lost, so real numbers are the integers.
HALVING = LIF(voltage_decay=0.5, threshold=0.5)
HALVING_BOTH = LIF(current_decay=0.5, voltage_decay=0.5, threshold=0.5)
MEMORYLESS = LIF(voltage_decay=1.0, threshold=0.5)
LASTING = LIF(voltage_decay=0.0, threshold=2.0)
SLOW = LIF(current_decay=0.3, voltage_decay=0.1, threshold=3.0)
BINARY_DT = 2.0**-13


def exported(tmp_path, notation, shape, steps, samples=2, dt=1e-4, **options):
    """A graph, inputs, the spikes of its layers, and the NIR file."""
    network = with_random_states(firing_network(notation, shape, steps, **options))
    graph, inputs = deploy.compile(network), random_inputs(network, samples)
    path = tmp_path / "model.nir"
    deploy.export(graph, path, dt=dt)
    return path, inputs, deploy.run(graph, inputs).kept


def mismatches(ours, theirs):
    """Spikes that differ, and all that were compared; every layer fires."""
    assert list(ours) == list(theirs)
    different = 0
    for name, spikes in ours.items():
        assert spikes.any(), name
        different += int((spikes != theirs[name].reshape(spikes.shape)).sum())
    return different, sum(spikes.size for spikes in ours.values())


NETWORKS = [
    ("4C3-AP2-6C3-MP2-12FC-5FC", (2, 8, 8), 6, {"neuron": HALVING}),
    ("4C3s2p1-4C3d2g2-5C3x1-8FC-5FC", (2, 9, 8), 6, {"neuron": HALVING, "bias": True}),
    ("4C3-AP2-6C3-SP2-12FC-5FC", (2, 8, 9), 3, {"neuron": HALVING_BOTH, "input_max": 3}),
    ("4C3-BN-AP3-12FC-5FC", (1, 8, 7), 6, {"neuron": MEMORYLESS}),
    ("16FC-8FC-5FC", (9,), 20, {"neuron": LASTING, "bias": True, "gain": 1.0}),
    # Kernels of 2 x 3 cannot be squared: Linear from there on.
    ("4C3-AP2-4C2x3p0-4C3-5FC", (1, 10, 10), 6, {"neuron": HALVING}),
]


@pytest.mark.parametrize(("notation", "shape", "steps", "options"), NETWORKS)
def test_every_spike_in_snntorch(tmp_path, notation, shape, steps, options):
    path, inputs, ours = exported(tmp_path, notation, shape, steps, **options)
    assert mismatches(ours, in_snntorch(path, list(ours), inputs))[0] == 0


@pytest.mark.parametrize(("notation", "shape", "steps", "options"), NETWORKS)
def test_every_spike_in_norse(tmp_path, notation, shape, steps, options):
    # Norse multiplies by dt and 1/tau in float32, which is exact for powers of two.
    path, inputs, ours = exported(tmp_path, notation, shape, steps, dt=BINARY_DT, **options)
    assert mismatches(ours, in_norse(path, list(ours), inputs, BINARY_DT))[0] == 0


def test_recurrence_in_norse(tmp_path):
    # snnTorch 1.0 cannot run a loop with NIRTorch 2.6: "'GraphModule' object has no attribute 'items'".
    options = {"neuron": HALVING, "input_max": 5, "dt": BINARY_DT}
    path, inputs, ours = exported(tmp_path, "8RFC-6RFC-5FC", (6,), 6, **options)
    assert mismatches(ours, in_norse(path, list(ours), inputs, BINARY_DT))[0] == 0


def test_residual_additions_in_snntorch(tmp_path):
    # Norse 1.1 executes fc1 before the shorter branch to it, and so receives that of the step before.
    notation = "4C3-Res(4C3-4C3)-AP2-Res(4C3|4C1)-5FC"
    path, inputs, ours = exported(tmp_path, notation, (2, 6, 6), 6, neuron=HALVING, gain=1.5)
    assert mismatches(ours, in_snntorch(path, list(ours), inputs))[0] == 0


def test_delays(tmp_path):
    notation = "4C3-Delay3-4C3-AP2-8FC-Delay4-8RFC-5FC"
    path, inputs, ours = exported(tmp_path, notation, (2, 6, 6), 7, neuron=HALVING)
    theirs = in_nirtorch(path, list(ours), inputs, 1e-4, Delay=Delay)
    assert mismatches(ours, theirs)[0] == 0


def test_a_bias_beside_a_current_is_v_leak(tmp_path):
    path, inputs, ours = exported(tmp_path, "4C3-8FC-5FC", (2, 6, 6), 3, neuron=HALVING_BOTH, bias=True)
    theirs = in_nirtorch(path, list(ours), inputs, 1e-4, CubaLIF=CubaLIF)
    assert mismatches(ours, theirs)[0] == 0
    with pytest.raises(AssertionError, match="v_leak not supported"):
        in_snntorch(path, list(ours), inputs)


@pytest.mark.parametrize("neuron", [LIF(), SLOW])
def test_truncation_moves_few_spikes(tmp_path, neuron):
    # Both simulators compute in float32 what the graph truncates to 1/64 of an integer weight in each step.
    notation = "6C3-AP2-8C3-20FC-5FC"
    path, inputs, ours = exported(tmp_path, notation, (2, 8, 8), 16, neuron=neuron, gain=1.5)
    different, compared = mismatches(ours, in_snntorch(path, list(ours), inputs))
    assert different <= 2e-3 * compared


@pytest.mark.parametrize(
    "neuron",
    [LIF(voltage_decay=0.37, threshold=20), LIF(current_decay=0.3, voltage_decay=0.1, threshold=200)],
)
def test_only_voltages_near_the_threshold_fire_otherwise(tmp_path, neuron):
    network = firing_network("300FC", (12,), 30, neuron=neuron)
    # The largest weight makes the scale 1; the others are small, as is the threshold: truncation counts most.
    weight = torch.randint(-3, 5, (300, 12), generator=torch.Generator().manual_seed(0)) * 2.0
    weight[0, 0] = 254
    network.layers["fc1"].weight.data = weight
    graph, inputs = deploy.compile(network), random_inputs(network, 6)
    deploy.export(graph, tmp_path / "model.nir")
    ours = deploy.run(graph, inputs).output
    different = ours != in_snntorch(tmp_path / "model.nir", ["fc1"], inputs)["fc1"]
    sums = torch.from_numpy(inputs.astype(np.float32)).swapaxes(0, 1) @ weight.T
    kept = 4096 - graph["fc1"].neuron.current_decay, 4096 - graph["fc1"].neuron.voltage_decay
    spikes, voltages = reference.forward(sums, *kept, graph["fc1"].neuron.threshold)
    assert np.array_equal(spikes.swapaxes(0, 1).numpy(), ours)
    # Truncation takes less than 1 of the current in a step, so less than g_u in all; and of the voltage less
    # than g_v (1 + g_u), until a spike differs for the first time.
    current_gain = 4096 / (4096 - kept[0]) if kept[0] else 0
    bound = 4096 / (4096 - kept[1]) * (1 + current_gain)
    first = different & (different.cumsum(1) == 1)
    distance = abs(voltages.swapaxes(0, 1).numpy() - 64 * graph["fc1"].neuron.threshold)
    assert (distance[first] <= bound).all()
    assert 0 < different.mean() < 0.01


def test_a_sum_at_the_threshold_does_not_fire(tmp_path):
    # 3 weights of 254 are the threshold of 762 = 1.5 * 508: silent, however the weights round that the file
    # divides by a decay of 0.7. In the second step what is left of them adds up.
    network = firing_network("1FC", (3,), 2, neuron=LIF(voltage_decay=0.7, threshold=1.5))
    network.layers["fc1"].weight.data[:] = 0.5
    graph = deploy.compile(network)
    path = tmp_path / "model.nir"
    deploy.export(graph, path)
    inputs = np.ones((1, 2, 3), int)
    assert deploy.run(graph, inputs).output.tolist() == [[[0], [1]]]
    assert in_snntorch(path, ["fc1"], inputs)["fc1"].tolist() == [[[0], [1]]]


def test_what_the_file_says(tmp_path):
    network = firing_network("4C3-AP2-6FC-5FC", (1, 4, 4), 4, input_max=16)
    network.layers["conv1"].mask[2] = 0
    graph = deploy.compile(network)
    deploy.export(graph, tmp_path / "model.nir", dt=1e-3)
    written = nir.read(tmp_path / "model.nir")
    assert written.metadata["time_steps"] == 4
    assert written.metadata["input_max"] == 16
    assert written.metadata["dt"] == 1e-3
    assert list(written.nodes["conv1"].metadata["kept"]) == [0, 1, 3]
    assert list(written.nodes["conv1"].metadata["network_shape"]) == [4, 4, 4]
    assert written.nodes["conv1"].v_threshold.shape == (3, 4, 4)
    assert ("conv1", "fc1_pool") in written.edges
    assert not [file.name for file in tmp_path.iterdir() if file.name != "model.nir"]


@pytest.mark.parametrize("dt", [0.0, -1e-4, float("nan"), float("inf")])
def test_a_step_takes_time(tmp_path, dt):
    graph = deploy.compile(firing_network("5FC", (4,), 2))
    with pytest.raises(deploy.ExportError, match="dt is"):
        deploy.export(graph, tmp_path / "model.nir", dt=dt)
    assert not list(tmp_path.iterdir())
