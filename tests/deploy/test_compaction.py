import numpy as np
import pytest
import torch
from factories import firing_network, only_connection, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy


def test_removed_units_leave_both_sides():
    network = firing_network("6C3-AP2-8C3-AP2-20FC-5FC", (1, 8, 8), 6)
    conv1, conv2, fc1, fc2 = network.synaptic_blocks()
    conv1.mask[2] = 0  # silent: nothing arrives
    conv2.mask[:, 4] = 0  # conv1's channel 4 has no fan-out
    fc1.mask[7] = 0
    fc2.mask[:, 9] = 0
    graph = deploy.compile(network)
    assert graph["conv1"].kept.tolist() == [0, 1, 3, 5]
    assert graph["conv1"].without_fan_out.tolist() == [4]
    assert only_connection(graph["conv2"]).inputs == 4
    assert 7 not in graph["fc1"].kept
    assert graph["fc1"].without_fan_out.tolist() == [9]
    assert only_connection(graph["fc2"]).matrix.shape == (5, 18)
    assert graph.removed["conv1"] == {"silent": [2], "unheard": [4]}
    # fc1's neuron 7 has no synapse, and others that fire by no input may be among the silent.
    assert 7 in graph.removed["fc1"]["silent"] and graph.removed["fc1"]["unheard"] == [9]
    assert graph.removed["fc2"] == {"silent": [], "unheard": []}
    inputs = random_inputs(network, 30)
    certificate = deploy.verify(graph, network, inputs, backends=("fast",))
    assert certificate.mismatches == 0
    assert certificate.backends["fast"]["fc2"].spikes > 0
    recording = deploy.run(graph, inputs)
    assert recording.spikes["conv1"].shape == (30, 6, 6, 8, 8)
    assert recording.spikes["conv1"][:, :, [2, 4]].sum() == 0
    assert recording.kept["conv1"].shape == (30, 6, 4, 8, 8)


def test_silence_spreads():
    # fc1's neuron 0 has only a negative synapse, and fc2's neuron 1 has it as its only source: both are
    # silent.
    network = firing_network("3FC-3FC-2FC", (4,), 5)
    fc1, fc2, _ = network.synaptic_blocks()
    fc1.weight.data[0] = -fc1.weight.data[0].abs()
    fc2.mask[1] = 0
    fc2.mask[1, 0] = 1
    graph = deploy.compile(network)
    assert 0 not in graph["fc1"].kept
    assert 1 not in graph["fc2"].kept
    assert 0 not in graph["fc1"].without_fan_out
    assert 1 not in graph["fc2"].without_fan_out


def test_a_network_without_any_synapse_still_runs():
    network = firing_network("4C3-AP2-6FC-3FC", (1, 8, 8), 3)
    for block in network.synaptic_blocks():
        block.mask.zero_()
    graph = deploy.compile(network)
    assert [len(layer.kept) for layer in graph.layers] == [1, 1, 3]
    inputs = random_inputs(network, 4)
    assert deploy.run(graph, inputs).output.sum() == 0
    assert deploy.verify(graph, network, inputs, backends=("fast",)).mismatches == 0


def test_what_stays_of_a_recurrent_layer_without_fan_out_keeps_its_recurrent_synapses():
    # Neuron 0 stays, so that the layer is not empty; it fires at step 1 since neuron 1 did at step 0.
    network = firing_network("2RFC-2FC", (2,), 3)
    first, second = network.synaptic_blocks()
    first.weight.data = torch.tensor([[0.2, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    second.mask.zero_()
    graph = deploy.compile(network)
    inputs = np.array([[[0, 1], [0, 0], [0, 0]]])
    assert deploy.run(graph, inputs).spikes["fc1"][0, :, 0].tolist() == [0, 1, 0]
    assert deploy.verify(graph, network, inputs, backends=("fast",)).mismatches == 0


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0, 0.97), st.sampled_from([1, 16]))
def test_compaction_never_changes_a_spike(seed, pruned, input_max):
    network = firing_network("5C3-AP2-6C3-AP2-12FC-4FC", (2, 9, 8), 4, input_max=input_max, gain=6, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for block in network.synaptic_blocks():
        block.mask[torch.rand(block.mask.shape, generator=generator) < pruned] = 0
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 5, seed), backends=("fast",))
    assert certificate.mismatches == 0
    # Nothing that is kept lacks synapses on either side, but for the output and a layer's last resort.
    for layer, target in zip(graph.layers, graph.layers[1:], strict=False):
        if len(layer.kept) > 1:
            matrix = only_connection(target)
            connected = (
                np.unique(matrix.indices)
                if hasattr(matrix, "kernels")
                else np.unique(matrix.matrix.indices * len(layer.kept) // matrix.matrix.shape[1])
            )
            assert len(connected) == len(layer.kept)


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_no_zero_is_stored_in_a_matrix(share):
    network = firing_network("30FC-20FC-5FC", (40,), 3)
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < share] = 0
    graph = deploy.compile(network)
    for layer in graph.layers:
        assert (only_connection(layer).matrix.data != 0).all()
    assert (graph.stored_weights < 300) == (share == 0.9)
