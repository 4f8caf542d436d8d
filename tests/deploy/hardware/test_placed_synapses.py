from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from factories import only_connection
from handmade import NEURON, convolution, dense, graph
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import deploy
from deploy.hardware import load_hardware
from deploy.hardware.axons import axons_of
from deploy.hardware.placed_synapses import (
    ConvolutionSynapses,
    MatrixSynapses,
    placed_synapses,
    placement_order,
)
from deploy.hardware.placement import split
from deploy.hardware.synapse_memory import bits_per_axon, core_bits, index_bits
from deploy.ir import INPUT, Geometry, Incoming, Layer, MatrixConnection
from deploy.ir.connection import unrolled
from deploy.ir.encoding import encode_convolution
from deploy.ir.geometry import pooled_shape

LAYOUT = load_hardware("loihi1").synapse_format


def placed(layer, input_shape, encoding="convolution"):
    """The synapses of a layer that receives the input, in one encoding."""
    network = graph(input_shape, [layer])
    found = {s.encoding: s for s in placed_synapses(network, layer, axons_of(network, layer), LAYOUT)}
    return found[encoding]


def usage(synapses, neurons, cores=1):
    return synapses.usage(split(neurons, cores), np.arange(cores))


def test_equal_lists_of_a_convolution_are_stored_once():
    # One channel, kernel 3 without a zero, 5 x 5 to 5 x 5. A source reaches the targets around it: an inner
    # one 9, one at an edge 6, one at a corner 4. Offsets of axons are all below 256, so that what remains of
    # a list is the same for the same part of the kernel: 3 kinds of rows (first, inner, last) by 3 of columns
    # = 9 lists: one of 9 weights, four of 6, four of 4. The largest index is 2 * 5 + 2 = 12: 6 bits, 14 with
    # the weight. 9 * 14 + 10 = 136 -> 192; 6 * 14 + 10 = 94 -> 128; 4 * 14 + 10 = 66 -> 128.
    kernel = np.arange(2, 20, 2).reshape(1, 1, 3, 3)
    layer = convolution("conv", INPUT, kernel, extent=5, padding=1)
    bits, axons = usage(placed(layer, (1, 5, 5)), 25)
    assert (bits.tolist(), axons.tolist()) == ([192 + 4 * 128 + 4 * 128], [25])
    # Without sharing, 25 lists, and indices up to 24 still take 6 bits: 9 inner, 12 at edges, 4 at corners.
    weights = unrolled(only_connection(layer), (1, 5, 5)).tocsc()
    assert core_bits(weights, "sparse", LAYOUT) == 9 * 192 + 12 * 128 + 4 * 128


def test_lists_are_shared_only_within_the_reach_of_an_axons_offset():
    # One channel, kernel 1, 20 x 20: every axon has one weight to its own position. Positions 0 to 255 are
    # offsets; from 256 on 256 stays in the index. Two lists, indices 0 and 256: 9 bits, 17 + 10 = 27 -> 64
    # bits each.
    layer = convolution("conv", INPUT, [[[[4]]]], extent=20, padding=0)
    bits, _ = usage(placed(layer, (1, 20, 20)), 400)
    assert bits.tolist() == [2 * 64]


def test_lists_with_other_weights_are_not_shared():
    # Three channels at one position, each with one weight. Offsets take all indices to 0, which needs no
    # bits: 8 + 10 = 18 -> 64 bits, for the weights 2 and 4.
    kernels = np.diag([2, 2, 4]).reshape(3, 3, 1, 1)
    bits, axons = usage(placed(convolution("conv", INPUT, kernels, 1, 0), (3, 1, 1)), 3)
    assert (bits.tolist(), axons.tolist()) == ([2 * 64], [3])


def test_a_dense_list_has_a_weight_for_every_neuron_of_its_core():
    # Two neurons a core. Axon 0 has a synapse on the first core, axon 1 on both, axon 2 on none.
    layer = dense("fc", INPUT, [[2, 2, 0], [0, 2, 0], [0, 2, 0], [0, 0, 0]])
    bounds, axons = split(4, 2), np.array([2, 1])
    assert placed(layer, (3,), "dense").stored(bounds, axons).toarray().tolist() == [[2, 0], [2, 2], [0, 0]]
    assert placed(layer, (3,), "sparse").stored(bounds, axons).toarray().tolist() == [[1, 0], [2, 1], [0, 0]]


def by_unrolling(matrix, bounds):
    """Bits, axons, and stored synapses of each core, from every synapse and every list by themselves."""
    base = LAYOUT.axon_base_range.whole
    bits, axons, stored = [], [], []
    for start, stop in pairwise(bounds):
        part = matrix[start:stop].tocsc()
        lists, largest = {}, 0
        for first, last in pairwise(part.indptr):
            if first == last:
                continue
            indices = part.indices[first:last] - part.indices[first] % base
            lists[tuple(indices), tuple(part.data[first:last])] = last - first
            largest = max(largest, indices.max())
        lengths = np.array(list(lists.values()), np.int64)
        bits.append(int(bits_per_axon(lengths, index_bits(largest, LAYOUT), LAYOUT).sum()))
        axons.append(int(np.count_nonzero(np.diff(part.indptr))))
        stored.append(np.diff(part.indptr))
    return bits, axons, np.stack(stored, axis=1)


def convolution_of(rng, name, source, shape, outputs, geometry, values, pool=1, delays=None):
    """A layer of random kernels, few of them different, so that lists can be the same; None if empty."""
    channels, height, width = pooled_shape(shape, pool)
    extent = geometry.extent(height, width)
    if min(extent) < 1:
        return None
    kernels = 2 * rng.integers(-values, values + 1, (outputs, channels // geometry.groups, *geometry.kernel))
    connection = encode_convolution(kernels.astype(np.int16), geometry, pool, channels)
    incoming = Incoming(source, connection, geometry, delays)
    kept, without_fan_out = np.arange(outputs, dtype=np.int32), np.zeros(0, np.int32)
    return Layer(name, (outputs, *extent), kept, without_fan_out, NEURON, (incoming,), 1.0)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
GEOMETRIES = st.builds(
    Geometry,
    kernel=pairs,
    stride=st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 3)]),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.sampled_from([(1, 1), (1, 1), (1, 2)]),
    groups=st.sampled_from([1, 1, 2]),
    extra=st.sampled_from([(0, 0), (1, 0)]),
)


def check_against_unrolled(network, layer, synapses, cores):
    """Usage, stored synapses and fan-in of a layer without delays, against every synapse by itself."""
    bounds = split(layer.size, cores)
    shapes = [pooled_shape(network.source_shape(i), i.connection.pool) for i in layer.inputs]
    parts = [
        unrolled(replace(incoming.connection, pool=1), shape)
        for incoming, shape in zip(layer.inputs, shapes, strict=True)
    ]
    matrix = sparse.hstack(parts, format="csr")[placement_order(layer)]
    bits, axons, stored = by_unrolling(matrix, bounds)
    counted = synapses.usage(bounds, np.arange(cores))
    assert (counted[0].tolist(), counted[1].tolist()) == (bits, axons)
    np.testing.assert_array_equal(synapses.stored(bounds, counted[1]).toarray(), stored)
    assert synapses.received == np.count_nonzero(matrix.getnnz(axis=0))
    assert synapses.largest_fan_in == matrix.getnnz(axis=1).max()
    # Any choice of cores gives what all of them give.
    chosen = np.arange(cores)[::-2].copy()
    assert synapses.usage(bounds, chosen)[0].tolist() == [bits[core] for core in chosen]


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    geometry=GEOMETRIES,
    channels=st.sampled_from([2, 4]),
    outputs=st.sampled_from([2, 6]),
    extent=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    pool=st.sampled_from([1, 1, 2]),
    values=st.sampled_from([1, 3]),
    data=st.data(),
)
def test_a_convolution_is_counted_as_if_it_were_unrolled(
    seed, geometry, channels, outputs, extent, pool, values, data
):
    rng = np.random.default_rng(seed)
    shape = (channels, *extent)
    if min(extent) < pool:
        return
    layer = convolution_of(rng, "conv", INPUT, shape, outputs, geometry, values, pool)
    if layer is None:
        return
    synapses = placed(layer, shape)
    by_kernel = geometry.stride == geometry.dilation == (1, 1)
    assert isinstance(synapses, ConvolutionSynapses if by_kernel else MatrixSynapses)
    check_against_unrolled(graph(shape, [layer]), layer, synapses, data.draw(st.integers(1, layer.size)))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    geometries=st.tuples(GEOMETRIES, GEOMETRIES),
    kernels_only=st.booleans(),
    data=st.data(),
)
def test_a_layer_of_several_sources_is_counted_side_by_side(seed, geometries, kernels_only, data):
    # The second way has another geometry, and sources of another size: only what arrives has to agree.
    rng, shape = np.random.default_rng(seed), (2, 6, 6)
    layer = convolution_of(rng, "sum", INPUT, shape, 2, geometries[0], 1)
    if layer is None:
        return
    if kernels_only:
        other = convolution_of(rng, "sum", INPUT, shape, 2, replace(geometries[0], groups=2), 1).inputs[0]
    else:
        weight = sparse.csr_matrix(2 * rng.integers(-1, 2, (layer.size, 72)).astype(np.int16))
        other = Incoming(INPUT, MatrixConnection(weight))
    layer = replace(layer, inputs=(*layer.inputs, other))
    network = graph(shape, [layer])
    cores = data.draw(st.integers(1, layer.size))
    if kernels_only:
        check_against_unrolled(network, layer, placed(layer, shape), cores)
        return
    # With a matrix all are single synapses: lists of their own, none shared.
    synapses, bounds = placed(layer, shape, "sparse"), split(layer.size, cores)
    matrix = network.synapse_matrix(layer)[placement_order(layer)]
    bits, axons = synapses.usage(bounds, np.arange(cores))
    cut = [matrix[start:stop].tocsc() for start, stop in pairwise(bounds)]
    assert bits.tolist() == [core_bits(part, "sparse", LAYOUT) for part in cut]
    assert axons.tolist() == [np.count_nonzero(np.diff(part.indptr)) for part in cut]


def test_lists_with_other_delays_are_not_shared_and_the_delay_takes_bits():
    # One channel, kernel 1, two positions: both axons have the weight 4 at index 0 after their offset, one
    # list of 8 + 10 = 18 -> 64 bits. Delays of 0 and 5 make two, with 3 bits for the delay.
    layer = convolution("conv", INPUT, [[[[4]]]], extent=8, padding=0)
    delays = np.zeros((1, 8, 8), np.int16)
    late = replace(layer, inputs=(replace(layer.inputs[0], delays=delays),))
    for one in (layer, late):
        assert usage(placed(one, (1, 8, 8)), 64)[0].tolist() == [64]
    delays[0, 3] = 5
    assert usage(placed(late, (1, 8, 8)), 64)[0].tolist() == [2 * 64]
    # 3 lists of 15 weights of 8 bits: 130 bits, 192 with whole words; with 5 delay bits 205 -> 256.
    flat = dense("fc", INPUT, np.full((15, 3), 2))
    assert usage(placed(flat, (3,), "dense"), 15)[0].tolist() == [3 * 192]
    slow = replace(flat, inputs=(replace(flat.inputs[0], delays=np.array([0, 16, 1], np.int16)),))
    assert usage(placed(slow, (3,), "dense"), 15)[0].tolist() == [3 * 256]


def test_sources_of_a_window_with_other_delays_have_other_axons():
    # Two windows of 2 x 2; in the first three sources are at once and one is late, in the second all are.
    layer = dense("fc", INPUT, [[2, 4]], pool=2)
    delays = np.array([[[0, 0, 3, 3], [0, 1, 3, 3]]], np.int16)
    layer = replace(layer, inputs=(replace(layer.inputs[0], delays=delays),))
    axons = axons_of(graph((1, 2, 4), [layer]), layer)
    assert axons.of_source.tolist() == [0, 0, 2, 2, 0, 1, 2, 2]
    assert (axons.column.tolist(), axons.delay.tolist()) == ([0, 0, 1], [0, 1, 3])
    assert placed(layer, (1, 2, 4), "dense").matrix.toarray().tolist() == [[2, 2, 4]]


def test_a_shortcut_waits_for_the_layers_beside_it():
    # c receives from b, two layers from the input, a, one from it, itself, and the input, which comes when it
    # should.
    a, b = dense("a", INPUT, [[2]]), dense("b", "a", [[2]])
    c = replace(
        a, name="c", inputs=tuple(replace(a.inputs[0], source=name) for name in ("b", "a", INPUT, "c"))
    )
    network = graph((1,), [a, b, c])
    assert [axons_of(network, layer).delay.tolist() for layer in network.layers] == [[0], [0], [0, 1, 0, 0]]


def test_too_many_synapses_to_unroll_are_refused(monkeypatch):
    monkeypatch.setattr("deploy.hardware.placed_synapses.UNROLLED_SYNAPSES", 15)
    rng = np.random.default_rng(0)
    # 4 x 4 positions and one kernel of 1: 16 synapses if no weight is zero.
    layer = convolution_of(rng, "wide", INPUT, (1, 7, 7), 1, Geometry((1, 1), stride=(2, 2)), 1)
    layer.inputs[0].connection.kernels[:] = 2
    with pytest.raises(deploy.HardwareError, match="wide: its kernels have 16 synapses"):
        placed(layer, (1, 7, 7))


def test_sources_of_a_window_share_an_axon_and_what_fills_none_has_none():
    layer = dense("fc", INPUT, np.full((2, 2), 2), pool=2)
    axons = axons_of(graph((2, 3, 3), [layer]), layer).of_source.reshape(2, 3, 3)
    window = np.array([[0, 0, -1], [0, 0, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(axons[0], window)
    np.testing.assert_array_equal(axons[1], np.where(window == 0, 1, -1))


def test_sparse_and_dense_matrices_count_the_same_axons():
    weight = sparse.random(30, 20, 0.2, random_state=1).toarray() > 0
    layer = dense("fc", INPUT, 2 * weight)
    for encoding in ("sparse", "dense"):
        synapses = placed(layer, (20,), encoding)
        assert usage(synapses, 30, 4)[1].tolist() == [
            int(weight[start:stop].any(0).sum()) for start, stop in pairwise(split(30, 4))
        ]
        assert synapses.largest_fan_in == weight.sum(1).max()
