import numpy as np
import pytest
from handmade import convolution, dense
from scipy import sparse

import deploy
from deploy.graph import INPUT
from deploy.graph.connection import unrolled
from deploy.hardware import load_hardware
from deploy.hardware.synapse_memory import bits_per_axon, core_bits, encodings_of, index_bits

LAYOUT = load_hardware("loihi1").synapse_format


@pytest.mark.parametrize(
    "weights, without_index, with_ten_index_bits",
    [
        # What nengo-loihi's SynapseConfig.bits_per_axon gives at 8 bits a weight.
        (10, 128, 192),
        (64, 576, 1216),
        (100, 896, 1920),
        (128, 1152, 2432),
        (256, 2304, 4864),
        (1024, 9216, 19456),
        (0, 0, 0),
        # One weight beyond a block: 64 * 8 + 10 = 522 -> 576 bits, and 8 + 10 = 18 -> 64.
        (65, 640, 1280),
    ],
)
def test_bits_of_a_list(weights, without_index, with_ten_index_bits):
    assert bits_per_axon(weights, 0, LAYOUT) == without_index
    assert bits_per_axon(weights, 10, LAYOUT) == with_ten_index_bits


def test_784_inputs_to_128_neurons_take_86_percent_of_a_core():
    weights = sparse.csc_matrix(np.ones((128, 784), np.int32))
    bits = core_bits(weights, "dense", LAYOUT)
    assert bits == 784 * 1152
    assert bits / 2**20 == pytest.approx(0.861, abs=5e-4)


@pytest.mark.parametrize(
    "largest, bits",
    [(0, 0), (1, 6), (63, 6), (64, 7), (127, 7), (128, 8), (1023, 10), (4095, 12)],
)
def test_an_index_has_one_of_the_widths_that_the_chip_has(largest, bits):
    assert index_bits(largest, LAYOUT) == bits


def test_an_index_that_is_too_wide_is_refused():
    with pytest.raises(deploy.HardwareError, match="neuron 4096 of a core needs an index of 13 bits"):
        index_bits(4096, LAYOUT)


def test_a_sparse_matrix_stores_its_synapses_with_indices():
    # 100 neurons, 3 axons with 2, 0 and 70 synapses. The largest index is 99: 7 bits, 15 with the weight.
    # 2 synapses: 2 * 15 + 10 = 40 -> 64 bits. 70: 64 * 15 + 10 = 970 -> 1024, and 6 * 15 + 10 = 100 -> 128.
    weights = np.zeros((100, 3), np.int32)
    weights[[0, 99], 0] = 5
    weights[:70, 2] = 5
    assert core_bits(sparse.csc_matrix(weights), "sparse", LAYOUT) == 64 + 0 + 1024 + 128


def test_a_core_without_synapses_takes_no_memory():
    for encoding in ("dense", "sparse", "convolution"):
        assert core_bits(sparse.csc_matrix((4, 3), dtype=np.int32), encoding, LAYOUT) == 0


def test_equal_lists_of_a_convolution_are_stored_once():
    # One channel, kernel 3 without a zero, 5 x 5 to 5 x 5. A source reaches the targets around it: an inner
    # one 9, one at an edge 6, one at a corner 4. Offsets of axons are all below 256, so that what remains of
    # a list is the same for the same part of the kernel: 3 kinds of rows (first, inner, last) by 3 of columns
    # = 9 lists: one of 9 weights, four of 6, four of 4. The largest index is 2 * 5 + 2 = 12: 6 bits, 14 with
    # the weight. 9 * 14 + 10 = 136 -> 192; 6 * 14 + 10 = 94 -> 128; 4 * 14 + 10 = 66 -> 128.
    kernel = np.arange(2, 20, 2).reshape(1, 1, 3, 3)
    layer = convolution("conv", INPUT, kernel, extent=5, padding=1)
    weights = unrolled(layer.connection, (1, 5, 5)).tocsc()
    assert core_bits(weights, "convolution", LAYOUT) == 192 + 4 * 128 + 4 * 128
    # Without sharing, 25 lists, and indices up to 24 still take 6 bits: 9 inner, 12 at edges, 4 at corners.
    assert core_bits(weights, "sparse", LAYOUT) == 9 * 192 + 12 * 128 + 4 * 128


def test_lists_are_shared_only_within_the_reach_of_an_axons_offset():
    # One channel, kernel 1, 20 x 20: every axon has one weight to its own position. Positions 0 to 255 are
    # offsets; from 256 on 256 stays in the index. Two lists, indices 0 and 256: 9 bits, 17 + 10 = 27 -> 64
    # bits each.
    layer = convolution("conv", INPUT, [[[[4]]]], extent=20, padding=0)
    weights = unrolled(layer.connection, (1, 20, 20)).tocsc()
    assert core_bits(weights, "convolution", LAYOUT) == 2 * 64


def test_lists_with_other_weights_are_not_shared():
    weights = sparse.csc_matrix(np.diag([2, 2, 4]).astype(np.int32))
    # Offsets take all indices to 0, which needs no bits: 8 + 10 = 18 -> 64 bits, for the weights 2 and 4.
    assert core_bits(weights, "convolution", LAYOUT) == 2 * 64


def test_encodings():
    assert encodings_of(dense("a", INPUT, [[2, 4], [6, 8]]).connection) == ("dense", "sparse")
    assert encodings_of(dense("a", INPUT, [[2, 0], [6, 8]]).connection) == ("sparse", "dense")
    assert encodings_of(convolution("a", INPUT, [[[[2]]]], extent=2, padding=0).connection) == (
        "convolution",
    )
