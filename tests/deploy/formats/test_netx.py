"""netx files, judged by lava-dl's own ``netx.hdf5.Network`` in Lava's fixed-point simulation."""

import h5py
import numpy as np
import pytest
from factories import firing_network, random_inputs, with_random_states
from netx_runs import add, different_layers, judge, spikes_of

import deploy
from deploy.formats.netx import netx_blocks
from deploy.graph import MatrixConnection
from dpap import LIF

SLOW = LIF(current_decay=0.3, voltage_decay=0.1, threshold=2.0)


def network_of(notation, shape, steps, **options):
    return with_random_states(firing_network(notation, shape, steps, **options))


def without_synapses():
    """A cut-off layer, whose blocks netx would fail on."""
    network = firing_network("6FC-7FC-5FC", (4,), 4)
    network.layers["fc2"].mask[:] = 0
    return network


NETWORKS = {
    # A pool in a kernel and a maximum; strides, groups, kernels that are not square, biases, graded input.
    "images": (lambda: network_of("4C3-AP2-4C3s2p1g2-MP2-5FC", (2, 8, 6), 5), 2),
    "kernels": (lambda: network_of("4C3s2p1-3C3x1d2-5FC", (2, 7, 6), 4, bias=True, input_max=5), 2),
    # A pool that leaves out a border, and a delay before a convolution: dense from there on.
    "unrolled": (lambda: network_of("3C3-AP2-3C3-Delay2-4C3-5FC", (1, 7, 6), 7), 1),
    # Recurrence with graded input, and delays between layers of equal size.
    "recurrent": (lambda: network_of("7RFC-6FC-Delay3-6FC", (6,), 7, input_max=3, neuron=SLOW, gain=6.0), 1),
    "silent": (without_synapses, 1),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """For each network its recording here, and netx's spikes; one process runs them all."""
    folder = tmp_path_factory.mktemp("netx")
    graphs, recordings = {}, {}
    for name, (make, samples) in NETWORKS.items():
        network = make()
        graphs[name] = deploy.compile(network)
        inputs = random_inputs(network, samples)
        recordings[name] = deploy.run(graphs[name], inputs)
        add(folder, name, graphs[name], inputs)
    status, errors = judge(folder)
    assert status == 0, errors
    return recordings, {name: spikes_of(folder, name, graphs[name], NETWORKS[name][1]) for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_spikes_the_same_in_netx(judged, name):
    recordings, theirs = judged
    ours = recordings[name]
    assert list(theirs[name]) == [layer.name for layer in ours.graph.layers]
    assert different_layers(theirs[name], ours) == []
    assert name == "silent" or all(ours.kept[layer].any() for layer in theirs[name])


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


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("4C3-Res(4C3-4C3)-5FC", "fc1: it hears conv3, conv1, and a netx file is a chain"),
        ("6FC-Delay3-6RFC-5FC", "fc2: netx cannot run a recurrent layer with delays"),
        ("6FC-Delay62-Delay62-5FC", "fc2: a delay of [0-9]+ steps from fc1; netx has at most 62"),
    ],
)
def test_what_netx_cannot_say_is_refused(tmp_path, notation, message):
    graph = deploy.compile(network_of(notation, (1, 4, 4), 120))
    with pytest.raises(deploy.ExportError, match=message):
        deploy.export(graph, tmp_path / "model.net")
    assert not list(tmp_path.iterdir())


def test_biases_without_synapses_are_refused(tmp_path):
    network = firing_network("6FC-5FC", (4,), 4, bias=True)
    network.layers["fc2"].weight.data[:] = 0
    network.layers["fc2"].bias.data[:] = 1.0
    graph = deploy.compile(network)
    with pytest.raises(deploy.ExportError, match="fc2: it has no synapses"):
        deploy.export(graph, tmp_path / "model.net")
