import numpy as np
import pytest
import torch
from factories import firing_network, only_connection, random_inputs

import deploy
import dpap
from deploy.ir import ConvConnection, MatrixConnection
from deploy.ir.connection import unrolled


def test_integers_scales_and_thresholds_by_hand():
    network = dpap.networks.build("2FC-2FC", (3,), 4, input_max=4)
    first, second = network.synaptic_blocks()
    first.weight.data = torch.tensor([[0.5, -0.25, 0.0], [0.1, 0.0, 0.2]])
    second.weight.data = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    graph = deploy.compile(network)
    fc1, fc2 = graph.layers
    # max|w| 0.5: scale 508 (4 * (0.75 * 508 + 3) is far below 2**17). Input 4 stands for 1, so the threshold
    # is 0.5 * 508 * 4 = 1016. 0.1 * 508 = 50.8 -> 50; 0.2 * 508 = 101.6 -> 102; -127 -> -128.
    assert fc1.scale == pytest.approx(508)
    assert fc1.neuron.threshold == 1016
    assert only_connection(fc1).matrix.toarray().tolist() == [[254, -128, 0], [50, 0, 102]]
    assert (fc1.neuron.current_decay, fc1.neuron.voltage_decay) == (4096, 3277)
    # max|w| 1: scale 254, threshold 127. No zero is stored.
    assert only_connection(fc2).matrix.toarray().tolist() == [[254, 0], [0, -254]]
    assert only_connection(fc2).matrix.nnz == 2
    assert fc2.neuron.threshold == 127
    assert (graph.input_max, graph.time_steps, graph.input_shape) == (4, 4, (3,))


def test_a_pool_is_folded_into_the_next_layer():
    network = firing_network("4C3-AP2-6FC", (1, 4, 4), 3)
    graph = deploy.compile(network)
    fc1 = graph["fc1"]
    # The sum of 4 binary spikes: threshold 4 * int(0.5 * scale) up to rounding, weights as they are.
    _, scale, threshold, *_ = network.layers["fc1"].integer_parameters()
    assert threshold == int(0.5 * scale * 4)
    assert fc1.neuron.threshold == threshold
    assert only_connection(fc1).pool == 2
    # Unrolled, each of the 16 positions of a channel has the weight of its window.
    matrix = unrolled(only_connection(fc1), graph["conv1"].kept_shape).toarray()
    weights = only_connection(fc1).matrix.toarray()
    assert matrix.shape == (len(fc1.kept), 16 * len(graph["conv1"].kept))
    # Position (y=3, x=1) of channel 1 lies in window (1, 0).
    assert (matrix[:, 16 + 3 * 4 + 1] == weights[:, 4 + 1 * 2 + 0]).all()


@pytest.mark.parametrize(
    ("notation", "shape"),
    [
        ("6C3-AP2-8C3-AP2-20FC-5FC", (1, 8, 8)),
        ("6C3-AP2-8C5-AP3-20FC-5FC", (2, 13, 11)),
        ("30FC-20FC-5FC", (40,)),
        ("AP2-3C1-5FC", (3, 7, 5)),
    ],
)
@pytest.mark.parametrize("input_max", [1, 16])
def test_the_fast_backend_runs_the_networks_spikes(notation, shape, input_max):
    network = firing_network(notation, shape, 6, input_max=input_max)
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < 0.5] = 0
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 20), backends=("fast",))
    assert certificate.mismatches == 0
    assert all(layer.spikes > 0 for layer in certificate.backends["fast"].values())


def test_unrolled_kernels_are_the_convolution():
    network = firing_network("5C3-AP2-4C3-7FC", (2, 7, 6), 2)
    graph = deploy.compile(network)
    for name, source in (("conv1", (2, 7, 6)), ("conv2", graph["conv1"].kept_shape)):
        connection = only_connection(graph[name])
        assert isinstance(connection, ConvConnection)
        values = np.random.default_rng(0).integers(0, 5, source)
        tensor = torch.from_numpy(values[None].astype(np.float32))
        if connection.pool > 1:
            tensor = torch.nn.functional.avg_pool2d(tensor, connection.pool, divisor_override=1)
        weight = torch.from_numpy(connection.dense_weight().astype(np.float32))
        expected = torch.nn.functional.conv2d(tensor, weight, padding=connection.geometry.padding)
        matrix = unrolled(connection, source)
        assert matrix @ values.ravel() == pytest.approx(expected.numpy().ravel())
        assert (matrix.data != 0).all()


def test_a_convolution_becomes_a_matrix_where_that_is_smaller():
    # One position: a 3 x 3 kernel on a 1 x 1 image uses its centre alone, 1 of 9 weights.
    network = firing_network("4C3-AP4-6C3-5FC", (1, 4, 4), 4, gain=20, excitation=0.9)
    graph = deploy.compile(network)
    assert isinstance(only_connection(graph["conv1"]), ConvConnection)
    assert isinstance(only_connection(graph["conv2"]), MatrixConnection)
    certificate = deploy.verify(graph, network, random_inputs(network, 10), backends=("fast",))
    assert certificate.mismatches == 0
    assert certificate.backends["fast"]["conv2"].spikes > 0


def test_what_cannot_be_compiled_is_named():
    network = firing_network("4C3-AP2-10FC", (1, 8, 8), 2)
    network.layers["flatten1"] = torch.nn.Softmax(dim=1)
    with pytest.raises(deploy.CompileError, match="flatten1: a Softmax cannot be compiled"):
        deploy.compile(network)
    with pytest.raises(deploy.CompileError, match="cannot compile a Linear"):
        deploy.compile(torch.nn.Linear(2, 2))


def test_two_pools_in_a_row_are_one():
    network = firing_network("4C3-AP2-AP2-10FC", (1, 9, 8), 3)
    graph = deploy.compile(network)
    assert only_connection(graph["fc1"]).pool == 4
    certificate = deploy.verify(graph, network, random_inputs(network, 10), backends=("fast",))
    assert certificate.mismatches == 0


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("4C3-AP3s2-10FC", "pool1: its windows of 3 with stride .2, 2. .* do not tile"),
        ("4C3-AP2-MP2-10FC", r"pool2: the maximum over .* \(here it is over conv1, pooled\)"),
        ("MP2-4C3-10FC", r"pool1: the maximum over .* \(here it is over input\)"),
        ("4C3-Res(4C3)-MP2-10FC", r"pool1: the maximum over .* \(here it is over conv2 \+ conv1\)"),
        ("4C3-AP2-Flatten-Delay3-10FC", "delay1: 64 delays for sums over the windows of conv1"),
    ],
)
def test_what_no_hardware_neuron_can_say_is_named(notation, message):
    network = dpap.networks.build(notation, (1, 8, 8), 2, input_max=4)
    with pytest.raises(deploy.CompileError, match=message):
        deploy.compile(network)


def test_weights_that_are_not_finite_are_named():
    network = firing_network("4C3-AP2-10FC", (1, 8, 8), 2)
    network.layers["conv1"].weight.data[0, 0, 0, 0] = float("inf")
    with pytest.raises(deploy.CompileError, match="conv1: a weight is inf"):
        deploy.compile(network)
