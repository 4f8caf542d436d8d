from dataclasses import replace

import numpy as np
import pytest
from handmade import convolution, dense, graph

from deploy.hardware import load_hardware
from deploy.hardware.loihi2 import LayerDemand, core_range, layer_demands
from deploy.ir import INPUT

STRUCTURE = load_hardware("loihi2").structure

PILOTNET = {
    # lava-dl, pilotnet_snn/benchmark.ipynb: shape (channels, height, width), kernel 3 x 3, and the cores
    # printed.
    "input": ((3, 66, 200), 0, 0, 13),
    "conv1": ((24, 32, 99), 24 * 3 * 9, 3 * 9, 25),
    "conv2": ((36, 15, 49), 36 * 24 * 9, 24 * 9, 13),
    "conv3": ((48, 7, 24), 48 * 36 * 9, 36 * 9, 3),
    "conv4": ((64, 4, 22), 64 * 48 * 9, 48 * 9, 3),
    "conv5": ((64, 2, 20), 64 * 64 * 9, 64 * 9, 2),
    "fc1": ((100,), 2560 * 100, 2560, 12),
    "fc2": ((50,), 100 * 50, 100, 1),
    "fc3": ((10,), 50 * 10, 50, 1),
    "fc4": ((1,), 10, 10, 1),
}  # fmt: skip


def pilotnet():
    layers = [
        LayerDemand(name, shape, synapses, lists) for name, (shape, synapses, lists, _) in PILOTNET.items()
    ]
    return core_range(layers, STRUCTURE)


def test_the_measured_cores_of_pilotnet_lie_within_the_range():
    result = pilotnet()
    # Neurons: ceil(39600 / 8192) + ceil(76032 / 8192) + ceil(26460 / 8192) = 5 + 10 + 4, then 1 for each of
    # the other convolutions; fc1 has 256,000 bytes, 2 cores; the rest 1 each.
    assert result.lower == 5 + 10 + 4 + 3 + 2 + 3 == 27
    # The SNN took 74 cores, the SDNN of the same layers 61.
    assert result.lower <= 61 <= 74 <= result.upper
    assert (result.chips_lower, result.chips_upper) == (1, 1)
    assert not result.fit_verified


def test_the_upper_bound_is_what_the_compiler_printed():
    assert {name: upper for name, (_, upper) in pilotnet().layers.items()} == {
        name: cores for name, (*_, cores) in PILOTNET.items()
    }


@pytest.mark.parametrize(
    "shape, synapses, lists, bounds",
    [
        # 8193 neurons on cores of 8192; halved until a part is within 3200: 4097, 2049.
        ((8193,), 0, 0, (2, 4)),
        # 128 KiB of synapses, and one byte more.
        ((10,), 2**17, 100, (1, 1)),
        ((10,), 2**17 + 1, 100, (2, 1)),
        # 512 * 9 lists of 512 weights: 4608 * 128 words over 12,000: 50 parts of 11 channels, which have 3
        # words a list, 13,824; 100 parts of 6 channels have 2, 9216. 6 * 8 * 8 neurons are one block.
        ((512, 8, 8), 512 * 512 * 9, 512 * 9, (18, 100)),
    ],
)
def test_bounds_of_one_layer(shape, synapses, lists, bounds):
    assert core_range([LayerDemand("layer", shape, synapses, lists)], STRUCTURE).layers["layer"] == bounds


def test_what_is_left_of_a_pruned_graph_counts():
    kernels = np.full((4, 2, 3, 3), 2)
    kernels[0, 0] = 0
    layers = [
        convolution("conv", INPUT, kernels, extent=8, padding=1),
        dense("fc", "conv", np.eye(5, 4 * 16, dtype=int), pool=2),
    ]
    conv, fc = layer_demands(graph((2, 8, 8), layers))
    # What comes from another source adds to both, and a matrix makes the layer flat.
    both = replace(layers[0], inputs=(*layers[0].inputs, *dense("conv", "conv", np.eye(256)).inputs))
    (mixed,) = layer_demands(graph((2, 8, 8), [both]))
    assert (mixed.shape, mixed.synapses, mixed.lists) == ((256,), 63 + 256, 18 + 256)
    assert (conv.shape, conv.synapses, conv.lists) == ((4, 8, 8), 63, 18)
    assert (fc.shape, fc.synapses, fc.lists) == ((5,), 5, 64)
