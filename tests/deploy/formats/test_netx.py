"""netx files, tested against lava-dl's own ``netx.hdf5.Network`` in Lava's fixed-point simulation."""

import h5py
import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states
from netx_runs import add, different_layers, reference, spikes_of

import deploy
import dpap
from deploy.formats.netx import netx_blocks
from deploy.ir import MatrixConnection
from dpap import LIF
from dpap.blocks import SpikingPool

LASTING = LIF(voltage_decay=0.0)
SLOW = LIF(current_decay=0.3, voltage_decay=0.1, threshold=2.0)


def network_of(notation, shape, steps, **options):
    return with_random_states(firing_network(notation, shape, steps, **options))


def without_synapses(biases=None, steps=4):
    """A layer of two neurons with biases and without synapses, on which netx would fail."""
    network = firing_network("6FC-2FC-5FC", (4,), steps, bias=biases is not None, neuron=LASTING)
    # Pruning by the mask would remove the biases too.
    network.layers["fc2"].weight.data[:] = 0
    if biases is not None:
        network.layers["fc2"].bias.data = torch.tensor(biases)
    return network


def with_zeros_below_a_pool():
    """Windows of 2 over 5 x 7 with a row and a column of zeros, as lava-dl pools: 3 x 4."""
    network, even = (firing_network("4C3-SP2-5FC", (1, *size), 5) for size in ((5, 7), (6, 8)))
    layers = dict(network.layers) | {"fc1": even.layers["fc1"]}
    layers["pool1"] = SpikingPool("pool1", (4, 5, 7), 2, network.neuron, 5, extra=(1, 1))
    return dpap.networks.Network(network.notation, (1, 5, 7), 5, 1, network.neuron, layers).eval()


def with_longest_delay():
    network = firing_network("6FC-Delay62-5FC", (6,), 70)
    network.layers["delay1"].delay.data[:] = 62.0
    return network


NETWORKS = {
    # A pool in a kernel and a maximum; strides, groups, kernels that are not square, biases, graded input.
    "images": (lambda: network_of("4C3-AP2-4C3s2p1g2-MP2-5FC", (2, 8, 6), 5), 2),
    "kernels": (lambda: network_of("4C3s2p1-3C3x1d2-5FC", (2, 7, 6), 4, bias=True, input_max=5), 2),
    # A pool that leaves out a border, and a delay before a convolution: dense from there on.
    "unrolled": (lambda: network_of("3C3-AP2-3C3-Delay2-4C3-5FC", (1, 7, 6), 7), 1),
    # Recurrence with graded input, and delays between layers of equal size.
    "recurrent": (lambda: network_of("7RFC-6FC-Delay3-6FC", (6,), 7, input_max=3, neuron=SLOW, gain=6.0), 1),
    "zeros below": (with_zeros_below_a_pool, 2),
    "longest delay": (with_longest_delay, 1),
    # Layers without synapses. Four times 0.01 does not exceed the threshold of 0.5.
    "silent": (without_synapses, 2),
    "silent and biased": (lambda: without_synapses([0.01, 0.01]), 2),
    # Neuron 0 fires in every second step, which a synapse would change, and neuron 1 in every step.
    "always firing": (lambda: without_synapses([0.3, 1.0]), 2),
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """For each network its recording here, and netx's spikes; one process runs them all."""
    folder = tmp_path_factory.mktemp("netx")
    graphs, recordings = {}, {}
    for name, (make, samples) in NETWORKS.items():
        network = make()
        graphs[name] = deploy.compile(network)
        inputs = random_inputs(network, samples)
        recordings[name] = deploy.run(graphs[name], inputs)
        add(folder, name, graphs[name], inputs)
    status, errors = reference(folder)
    assert status == 0, errors
    return recordings, {name: spikes_of(folder, name, graphs[name], NETWORKS[name][1]) for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_spikes_the_same_in_netx(compared, name):
    recordings, theirs = compared
    ours = recordings[name]
    assert list(theirs[name]) == [layer.name for layer in ours.graph.layers]
    assert different_layers(theirs[name], ours) == []
    # A layer that reaches no other keeps one neuron, which is silent.
    firing = {"silent": [], "silent and biased": ["fc3"], "always firing": ["fc2", "fc3"]}
    assert all(ours.kept[layer].any() for layer in firing.get(name, theirs[name]))


@pytest.mark.parametrize(
    ("notation", "kinds"),
    [
        # 5 x 6 after the convolution: windows of 2 leave out a row.
        ("4C3p0-AP2-4C3-5FC", ["conv", "flatten", "dense", "dense"]),
        ("4C3-AP2-4C3-5FC", ["conv", "flatten", "dense", "dense"]),
        ("4C3-AP7-4C1-AP1-5FC", ["conv", "conv", "flatten", "dense"]),
        ("4C3-Delay3-4C3-5RFC-5FC", ["conv", "flatten", "dense", "dense_rec", "dense"]),
        ("8FC-5FC", ["flatten", "dense", "dense"]),
    ],
)
def test_what_netx_cannot_say_is_said_in_other_blocks(notation, kinds):
    graph = deploy.compile(network_of(notation, (1, 7, 7), 4))
    assert [block.kind for block in netx_blocks(graph)] == kinds


def test_a_pool_is_in_the_next_kernel():
    graph = deploy.compile(firing_network("4C3-AP2-6C3d2s2p1-5FC", (1, 12, 12), 4))
    block = netx_blocks(graph)[1]
    original = graph["conv2"].inputs[0].connection.dense_weight()
    # 2 * (2 * (3 - 1) + 1) = 10; each element stands at 4 positions, with zeros of the dilation between.
    assert block.arrays["weight"].shape == (len(graph["conv2"].kept), len(graph["conv1"].kept), 10, 10)
    assert (block.arrays["weight"][:, :, 4:6, 8:10] == original[:, :, 1:2, 2:3]).all()
    assert not block.arrays["weight"][:, :, 2:4].any()
    assert [block.arrays[name].tolist() for name in ("stride", "padding", "dilation")] == [
        [4, 4],
        [2, 2],
        [1, 1],
    ]


def test_a_convolution_that_became_a_matrix_is_a_convolution_again():
    # One position: each kernel has one weight that is used, so compilation stores a matrix.
    graph = deploy.compile(firing_network("4C3-AP4-6C3-5FC", (1, 4, 4), 4, gain=20, excitation=0.9))
    assert isinstance(graph["conv2"].inputs[0].connection, MatrixConnection)
    assert [block.kind for block in netx_blocks(graph)] == ["conv", "conv", "flatten", "dense"]


def test_the_attributes_say_what_netx_does_not_read(tmp_path):
    network = firing_network("4C3-6FC-5FC", (1, 4, 4), 6, input_max=16)
    network.layers["conv1"].mask[2] = 0
    deploy.export(deploy.compile(network), tmp_path / "model.net")
    with h5py.File(tmp_path / "model.net") as file:
        said = {key: np.asarray(value).tolist() for key, value in file.attrs.items()}
        assert said == {
            "input_shape": [1, 4, 4],
            "input_max": 16,
            "input_message_bits": 5,
            "time_steps": 6,
            "reset_interval": 6,
            "reset_offset": 1,
            "one_sample_a_run": False,
        }
        assert file["layer/1"].attrs["kept"].tolist() == [0, 1, 3]
        assert file["layer/1"].attrs["network_shape"].tolist() == [4, 4, 4]
