from itertools import pairwise

import numpy as np
from handmade import convolution, dense, graph
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from deploy.graph import INPUT
from deploy.graph.connection import unrolled
from deploy.hardware import load_hardware
from deploy.hardware.mapping import split
from deploy.hardware.placed_synapses import axon_of_source, placed_synapses, placement_order
from deploy.hardware.synapse_memory import bits_per_axon, core_bits, index_bits

LAYOUT = load_hardware("loihi1").synapse_format


def placed(layer, input_shape, encoding="convolution"):
    """The synapses of a layer that hears the input, in one encoding."""
    found = {s.encoding: s for s in placed_synapses(graph(input_shape, [layer]), layer, LAYOUT)}
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
    weights = unrolled(layer.connection, (1, 5, 5)).tocsc()
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


def by_unrolling(layer, source, bounds):
    """Bits, axons, and stored synapses of each core, from every synapse and every list by themselves."""
    connection = layer.connection
    matrix = unrolled(connection, source)[placement_order(layer)]
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


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 7),
    side=st.sampled_from([1, 2, 3, 5]),
    extent=st.integers(1, 7),
    padding=st.integers(0, 2),
    values=st.sampled_from([1, 3]),
    data=st.data(),
)
def test_a_convolution_is_counted_as_if_it_were_unrolled(
    seed, inputs, outputs, side, extent, padding, values, data
):
    rng = np.random.default_rng(seed)
    # Few different weights, so that lists of different channels can be the same.
    kernels = 2 * rng.integers(-values, values + 1, (outputs, inputs, side, side))
    source = extent - 2 * padding + side - 1
    if source < 1:
        return
    layer = convolution("conv", INPUT, kernels, extent, padding)
    shape = (inputs, source, source)
    neurons = outputs * extent * extent
    cores = data.draw(st.integers(1, neurons))
    bounds = split(neurons, cores)
    synapses = placed(layer, shape)
    bits, axons, stored = by_unrolling(layer, shape, bounds)
    counted = synapses.usage(bounds, np.arange(cores))
    assert (counted[0].tolist(), counted[1].tolist()) == (bits, axons)
    np.testing.assert_array_equal(synapses.stored(bounds, counted[1]).toarray(), stored)
    matrix = unrolled(layer.connection, shape)
    assert synapses.heard == np.count_nonzero(matrix.getnnz(axis=0))
    assert synapses.largest_fan_in == matrix.getnnz(axis=1).max()
    # Any choice of cores gives what all of them give.
    chosen = np.arange(cores)[::-2].copy()
    assert synapses.usage(bounds, chosen)[0].tolist() == [bits[core] for core in chosen]


def test_sources_of_a_window_share_an_axon_and_what_fills_none_has_none():
    layer = dense("fc", INPUT, np.full((2, 2), 2), pool=2)
    axons = axon_of_source(graph((2, 3, 3), [layer]), layer).reshape(2, 3, 3)
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
