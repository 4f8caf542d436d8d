"""A convolution that is stored as a matrix can be distinguished from any other matrix."""

import numpy as np
import pytest
from factories import firing_network, only_connection, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
from deploy.ir import ConvConnection, Geometry, MatrixConnection
from deploy.ir.connection import unrolled
from deploy.ir.encoding import as_convolution, as_matrix, encode_convolution, unrolled_weights
from deploy.ir.geometry import pooled_shape

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw):
    """A convolution, the shape of its source, and that of its targets."""
    groups, pool = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    geometry = Geometry(draw(pairs), draw(pairs), padding, draw(pairs), groups)
    source = (2, *(pool * draw(st.integers(7, 9)) for _ in range(2)))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    weight = generator.integers(-3, 4, (2, 2 // groups, *geometry.kernel)).astype(np.int16) * 2
    connection = encode_convolution(weight, geometry, pool, 2)
    return connection, source, connection.output_shape(source)


@settings(max_examples=60)
@given(convolutions())
def test_the_kernels_come_back(example):
    connection, source, target = example
    again = as_convolution(as_matrix(connection, source), connection.geometry, source, target)
    assert again.geometry == connection.geometry
    assert again.pool == connection.pool
    # Elements that only ever lie in the padding are lost, and do nothing.
    assert (unrolled(again, source) != unrolled(connection, source)).nnz == 0


@settings(max_examples=40)
@given(convolutions())
def test_synapses_are_counted_without_unrolling(example):
    connection, source, _ = example
    counted = unrolled_weights(connection, pooled_shape(source, connection.pool))
    assert counted == as_matrix(connection, source).stored_weights


@settings(max_examples=30)
@given(convolutions(), st.integers(0, 1000))
def test_another_matrix_is_no_convolution(example, seed):
    connection, source, target = example
    matrix = as_matrix(connection, source).matrix.tolil()
    row = np.random.default_rng(seed).integers(matrix.shape[0])
    changed = matrix.copy()
    # One position has its own weights: 20 occurs nowhere else.
    changed[row] = 0
    changed[row, :] = 20
    other = MatrixConnection(changed.tocsr(), connection.pool)
    assert as_convolution(other, connection.geometry, source, target) is None


def test_a_flat_layer_is_no_convolution():
    dense = MatrixConnection(as_matrix(*_single()).matrix)
    assert as_convolution(dense, None, (1, 2, 2), (1, 2, 2)) is None
    assert as_convolution(dense, Geometry((1, 1)), (4,), (4,)) is None


def _single():
    return encode_convolution(np.full((1, 1, 1, 1), 2, np.int16), Geometry((1, 1)), 1, 1), (1, 2, 2)


NOTATION = "4C3-MP2-6C3s2-SP2-Res(6C3|6C1)-8FC-4FC"


@pytest.mark.parametrize("encoding", ["shared", "sparse"])
def test_a_forced_encoding_changes_no_spike(tmp_path, encoding):
    network = firing_network(NOTATION, (2, 12, 12), 5)
    for block in network.synaptic_blocks():
        if block.prunable:
            block.mask.view(-1)[::3] = 0
    inputs = random_inputs(network, 6)
    chosen, forced = deploy.compile(network), deploy.compile(network, encoding=encoding)
    kind = {"shared": ConvConnection, "sparse": MatrixConnection}[encoding]
    convolutions = [
        incoming for layer in forced.layers for incoming in layer.inputs if incoming.convolution is not None
    ]
    assert len(convolutions) == 6
    assert all(isinstance(incoming.connection, kind) for incoming in convolutions)
    forced.save(tmp_path / "model.h5")
    for graph in (forced, deploy.load(tmp_path / "model.h5")):
        before, after = deploy.run(chosen, inputs), deploy.run(graph, inputs)
        for name, spikes in before.spikes.items():
            np.testing.assert_array_equal(after.spikes[name], spikes)
    assert before.output.any()
    assert forced.synapses() == chosen.synapses()


def test_lava_runs_a_forced_encoding_with_the_same_spikes():
    network = firing_network("3C3-AP2-4FC", (1, 6, 6), 4)
    inputs = random_inputs(network, 2)
    for encoding in ("shared", "sparse"):
        graph = deploy.compile(network, encoding={"conv1": encoding})
        assert deploy.verify(graph, network, inputs, backends=("lava",)).mismatches == 0


def test_encodings_by_layer_and_by_size():
    network = firing_network("3C3-3C3-4FC", (1, 8, 8), 3)
    graph = deploy.compile(network, encoding={"conv2": "sparse"})
    assert isinstance(only_connection(graph["conv1"]), ConvConnection)
    assert isinstance(only_connection(graph["conv2"]), MatrixConnection)
    # A single position shares its kernel with no other: 9 synapses without zeros beat a kernel.
    alone = firing_network("3C3p0-4FC", (1, 3, 3), 3)
    alone.layers["conv1"].weight.data[:, :, 1:] = 0
    assert isinstance(only_connection(deploy.compile(alone)["conv1"]), MatrixConnection)
    assert isinstance(only_connection(deploy.compile(alone, encoding="shared")["conv1"]), ConvConnection)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("dense", r"encoding 'dense' is not known; use one of smaller, shared, sparse"),
        ({"conv1": 3}, r"conv1: encoding 3 is not known"),
        ({"fc1": "shared"}, r"fc1 has no kernels to share.*; the convolutions are conv1"),
        ({"conv9": "sparse"}, r"conv9 is no layer"),
    ],
)
def test_encodings_that_cannot_be_are_refused(encoding, message):
    with pytest.raises(deploy.CompileError, match=message):
        deploy.compile(firing_network("3C3-4FC", (1, 5, 5), 3), encoding=encoding)
