import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs

import deploy
import dpap


def dense_by_hand():
    """Three inputs, two neurons, two outputs; all that follows is worked out by hand."""
    network = dpap.networks.build("2FC-2FC", (3,), 2)
    first, second = network.synaptic_blocks()
    first.weight.data = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    second.weight.data = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    inputs = np.array([[[1, 0, 1], [0, 1, 1]]])
    graph = deploy.compile(network)
    return deploy.measure(graph, deploy.run(graph, inputs))


def test_dense_layers_by_hand():
    # Every weight of 1 fires its target at once. Input spikes: neuron 0 once, 1 once, 2 twice.
    # Step 0: input 0 -> both neurons fire; step 1: input 1 -> neuron 1 fires.
    # fc1: effective: input 0 has 2 synapses, input 1 has 1, input 2 none: 2 + 1 + 0 = 3; dense 4 * 2 = 8.
    # fc2: neuron 0 fires once (2 synapses), neuron 1 twice (1): effective 2 + 2 = 4; dense 3 * 2 = 6.
    measurement = dense_by_hand()
    fc1, fc2 = measurement["fc1"], measurement["fc2"]
    assert (fc1.events_in, fc1.synops_effective, fc1.synops_dense) == (4, 3, 8)
    assert (fc2.events_in, fc2.synops_effective, fc2.synops_dense) == (3, 4, 6)
    assert (fc1.spikes, fc2.spikes) == (3, 3)
    assert (fc1.synapses, fc1.synapses_original) == (3, 6)
    # 2 neurons, 2 steps; in step 1 only neuron 1 has input. fc2: step 0 both, step 1 the second.
    assert (fc1.neuron_updates, fc1.neuron_updates_with_input) == (4, 3)
    assert (fc2.neuron_updates, fc2.neuron_updates_with_input) == (4, 3)
    assert fc1.firing_rate == 0.75
    assert measurement.total("synops_effective") == 7
    assert measurement.total("synops_effective", input_layer=False) == 4
    assert (measurement.samples, measurement.time_steps) == (1, 2)


def test_borders_of_a_convolution_by_hand():
    # 3 x 3 kernel without a zero, padding 1, on 3 x 3 positions: a corner reaches 4, an edge 6, the centre 9.
    network = dpap.networks.build("1C3-1FC", (1, 3, 3), 1)
    network.layers["conv1"].weight.data.fill_(1.0)
    graph = deploy.compile(network)
    for position, reached in (((0, 0), 4), ((0, 1), 6), ((1, 1), 9), ((2, 2), 4)):
        inputs = np.zeros((1, 1, 1, 3, 3), int)
        inputs[(0, 0, 0, *position)] = 1
        conv1 = deploy.measure(graph, deploy.run(graph, inputs))["conv1"]
        assert (conv1.synops_effective, conv1.synops_dense) == (reached, reached)
        assert conv1.neuron_updates_with_input == reached


def test_a_graded_spike_counts_once_and_by_its_magnitude():
    network = dpap.networks.build("2FC", (2,), 1, input_max=16)
    network.layers["fc1"].weight.data = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    graph = deploy.compile(network)
    fc1 = deploy.measure(graph, deploy.run(graph, np.array([[[5, 3]]])))["fc1"]
    # Two events: 2 + 1 synapses. By magnitude 5 * 2 + 3 * 1.
    assert (fc1.events_in, fc1.synops_effective, fc1.synops_effective_unary) == (2, 3, 13)


@pytest.mark.parametrize(
    ("notation", "shape"), [("4C3-AP2-5C5-AP2-6FC-3FC", (2, 9, 11)), ("5C3-AP3-7FC-3FC", (1, 8, 7))]
)
def test_counts_equal_those_of_the_unrolled_network(notation, shape):
    network = firing_network(notation, shape, 4, gain=6)
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < 0.3] = 0
    graph = deploy.compile(network)
    recording = deploy.run(graph, random_inputs(network, 7))
    measurement = deploy.measure(graph, recording)
    for layer in graph.layers:
        matrix = graph.synapse_matrix(layer).toarray() != 0
        (name,) = layer.sources
        source = recording.inputs if name == "input" else recording.kept[name]
        events = (source > 0).reshape(7 * 4, -1)
        arrivals = events.astype(int) @ matrix.T.astype(int)
        measured = measurement[layer.name]
        assert measured.synops_effective == arrivals.sum() > 0
        assert measured.neuron_updates_with_input == (arrivals > 0).sum()
        assert measured.synapses == matrix.sum()


def test_dense_counts_are_those_of_the_network_before_pruning():
    network = firing_network("4C3-AP2-5C5-6FC-3FC", (2, 9, 11), 4)
    full = deploy.compile(network)
    for name in ("conv2", "fc1"):
        network.layers[name].mask[torch.rand_like(network.layers[name].mask) < 0.3] = 0
    graph = deploy.compile(network)
    inputs = random_inputs(network, 5)
    pruned = deploy.measure(graph, deploy.run(graph, inputs))
    # conv1 fires as before, and all its channels still have fan-out: its spikes would cost what they did.
    assert len(graph["conv1"].kept) == 4
    unpruned = deploy.measure(full, deploy.run(full, inputs))
    assert pruned["conv2"].synops_dense == unpruned["conv2"].synops_dense
    assert pruned["conv2"].synops_effective < unpruned["conv2"].synops_effective
    # fc1: 6 neurons receive from all of 5 channels of 4 x 5 positions.
    assert pruned["fc1"].synapses_original == 600


def test_to_dict_is_plain():
    content = dense_by_hand().to_dict()
    assert content["layers"]["fc1"]["synops_effective"] == 3
    assert all(type(value) in (int, float, str) for value in content["layers"]["fc2"].values())
