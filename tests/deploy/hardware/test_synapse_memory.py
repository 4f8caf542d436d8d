import numpy as np
import pytest
from factories import only_connection
from handmade import convolution, dense
from scipy import sparse

import deploy
from deploy.hardware import load_hardware
from deploy.hardware.synapse_memory import bits_per_axon, core_bits, encodings_of, index_bits
from deploy.ir import INPUT, MatrixConnection

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
    for encoding in ("dense", "sparse"):
        assert core_bits(sparse.csc_matrix((4, 3), dtype=np.int32), encoding, LAYOUT) == 0


def encodings(*layers):
    connections = [only_connection(layer) for layer in layers]
    matrices = [one.matrix for one in connections if isinstance(one, MatrixConnection)]
    return encodings_of(connections, sparse.hstack(matrices) if matrices else None)


def test_encodings():
    assert encodings(dense("a", INPUT, [[2, 4], [6, 8]])) == ("dense", "sparse")
    assert encodings(dense("a", INPUT, [[2, 0], [6, 8]])) == ("sparse", "dense")
    assert encodings(convolution("a", INPUT, [[[[2]]]], extent=2, padding=0)) == ("convolution",)
    # A zero in one of two matrices is one in both.
    full = dense("a", INPUT, [[2, 4], [6, 8]])
    assert encodings(full, dense("a", INPUT, [[2, 0], [6, 8]])) == ("sparse", "dense")
