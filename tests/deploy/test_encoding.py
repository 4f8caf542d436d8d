"""A convolution that is stored as a matrix can be told from any other matrix."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.graph import Geometry, MatrixConnection
from deploy.graph.connection import unrolled
from deploy.graph.encoding import as_convolution, as_matrix, encode_convolution, unrolled_weights
from deploy.graph.geometry import pooled_shape

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
