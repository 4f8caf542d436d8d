"""Several nodes of synapses into one population: their sums add up, whatever their weights."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from nir_references import compiled_spikes, nir

import deploy
import dpap
from deploy.budget.units import Units
from dpap.blocks import Addition, Concatenation, Conv, Dense, Recurrent
from dpap.networks import Network

DT = 1e-4


def memoryless(*shape, threshold=1.0):
    """Neurons that fire where the sum of a step exceeds the threshold: tau is one step."""
    ones = np.ones(shape, np.float32)
    return nir.LIF(tau=ones * DT, r=ones, v_leak=0 * ones, v_threshold=ones * threshold, v_reset=0 * ones)


def graph_of(nodes, edges, shape, outputs):
    nodes = {"input": nir.Input({"input": np.array(shape)})} | nodes
    nodes["output"] = nir.Output({"output": np.array(outputs)})
    return nir.NIRGraph(nodes, edges, type_check=False)


def linear(*rows):
    return nir.Linear(np.array(rows, np.float32))


def conv(weight, padding=0, stride=1, dilation=1, groups=1, image=(4, 4)):
    weight = np.asarray(weight, np.float32)
    return nir.Conv2d(image, weight, stride, padding, dilation, groups, np.zeros(len(weight)))


def two_branches(first, second):
    """The input, neurons x that repeat it, and neurons y behind ``first`` from x and ``second`` from it."""
    nodes = {"a": linear([2.0, 0.0], [0.0, 2.0]), "x": memoryless(2), "b": first, "c": second}
    nodes["y"] = memoryless(1)
    edges = [*pairwise(["input", "a", "x", "b", "y", "output"]), ("input", "c"), ("c", "y")]
    return graph_of(nodes, edges, (2,), (1,))


def test_branches_of_different_weights():
    # y fires where 0.5 x_1 + 0.25 x_2 + 0.75 i_1 > 1, and x repeats the input i:
    # (1, 0): 1.25, fires; (0, 1): 0.25; (1, 1): 1.5, fires; (0, 0): 0.
    graph = two_branches(linear([0.5, 0.25]), linear([0.75, 0.0]))
    network = deploy.from_nir(graph, time_steps=4, reset="zero")
    assert list(network.layers) == ["fc1", "concat1", "fc2"]
    assert network.layers["fc2"].input_shape == (4,)
    inputs = np.array([[[1, 0], [0, 1], [1, 1], [0, 0]]])
    assert compiled_spikes(network, inputs).ravel().tolist() == [1, 0, 1, 0]


def test_branches_of_the_same_weights_are_added_before_them():
    # 0.75 (x_1 + i_1): 1.5 fires. An Affine and a Linear of the same weights are the same weights.
    first = nir.Affine(np.array([[0.75, 0.0]], np.float32), np.zeros(1, np.float32))
    network = deploy.from_nir(two_branches(first, linear([0.75, 0.0])), time_steps=2, reset="zero")
    assert list(network.layers) == ["fc1", "add1", "fc2"]
    assert compiled_spikes(network, np.array([[[1, 0], [0, 1]]])).ravel().tolist() == [1, 0]


def test_biases_of_branches_add_up():
    # 0.5 i_1 + 0.25 + 0.5: 1.25 fires, 0.75 does not.
    nodes = {
        "a": nir.Affine(np.array([[0.5, 0.0]], np.float32), np.array([0.25], np.float32)),
        "b": nir.Affine(np.array([[0.0, -1.0]], np.float32), np.array([0.5], np.float32)),
        "y": memoryless(1),
    }
    edges = [("input", "a"), ("input", "b"), ("a", "y"), ("b", "y"), ("y", "output")]
    network = deploy.from_nir(graph_of(nodes, edges, (2,), (1,)), time_steps=3, reset="zero")
    # Of the same source: one matrix, [0.5, -1].
    assert list(network.layers) == ["fc1"]
    assert network.layers["fc1"].weight.tolist() == [[0.5, -1.0]]
    assert compiled_spikes(network, np.array([[[1, 0], [0, 0], [1, 1]]])).ravel().tolist() == [1, 0, 0]


def test_branches_in_different_units():
    # An average of 2 x 2 beside neurons: 0.75 x + 1.5 (i_1 + ... + i_4) / 4 > 1. With x silent below two
    # spikes (0.75 of each): four spikes give 1.5 alone, two 0.75 + 0.75.
    nodes = {
        "flat_x": nir.Flatten({"input": np.array([1, 2, 2])}, 0),
        "a": linear([0.75] * 4),
        "x": memoryless(1),
        "b": linear([0.75]),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([1, 1, 1])}, 0),
        "c": linear([1.5]),
        "y": memoryless(1),
    }
    edges = [*pairwise(["input", "flat_x", "a", "x", "b", "y", "output"])]
    edges += [*pairwise(["input", "pool", "flat", "c", "y"])]
    network = deploy.from_nir(graph_of(nodes, edges, (1, 2, 2), (1,)), time_steps=4, reset="zero")
    frames = [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # 0.75 + 1.5; 0.75 + 0.75; 0 + 0.375; 0.
    inputs = np.array(frames).reshape(1, 4, 1, 2, 2)
    assert compiled_spikes(network, inputs).ravel().tolist() == [1, 1, 0, 0]


def test_a_recurrent_population_with_branches():
    # y fires where 0.5 x_1 + 0.75 i_1 - 1 y[t-1] > 1: at every other step of a lasting input.
    graph = two_branches(linear([0.5, 0.0]), linear([0.75, 0.0]))
    graph.nodes["own"] = linear([-1.0])
    graph.edges += [("y", "own"), ("own", "y")]
    network = deploy.from_nir(graph, time_steps=4, reset="zero")
    assert isinstance(network.layers["fc2"], Recurrent)
    inputs = np.ones((1, 4, 2), int)
    assert compiled_spikes(network, inputs).ravel().tolist() == [1, 0, 1, 0]


def image_branches(first, second, shape=(2, 4, 4)):
    """Neurons x of the image's shape that repeat it, and y behind convolutions of x and of the image."""
    repeat = conv(2.0 * np.eye(shape[0])[:, :, None, None])
    nodes = {"a": repeat, "x": memoryless(*shape), "b": first, "c": second, "y": memoryless(1)}
    size = 4 * 4
    nodes |= {"flat": nir.Flatten({"input": np.array([1, 4, 4])}, 0)}
    nodes |= {"d": nir.Linear(2 * np.eye(size, dtype=np.float32)), "z": memoryless(size)}
    nodes["y"] = memoryless(1, 4, 4)
    edges = [*pairwise(["input", "a", "x", "b", "y", "flat", "d", "z", "output"]), ("input", "c"), ("c", "y")]
    return graph_of(nodes, edges, shape, (size,))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # Of one window.
        ({"kernel": 3, "padding": 1}, {"kernel": 3, "padding": 1}),
        # 1 x 1 in the middle of 3 x 3.
        ({"kernel": 3, "padding": 1}, {"kernel": 1, "padding": 0}),
        # Dilated: 3 elements over 5 positions, and 5 over 9.
        ({"kernel": 3, "padding": 2, "dilation": 2}, {"kernel": 5, "padding": 4, "dilation": 2}),
    ],
)
def test_convolutions_that_add_up(first, second):
    generator = np.random.default_rng(0)
    weights = []
    nodes = []
    for options in (first, second):
        kernel = options.pop("kernel")
        weight = generator.integers(-20, 40, (1, 2, kernel, kernel)) / 64
        weight.flat[0] = 127 / 64
        weights.append(torch.from_numpy(weight))
        nodes.append(conv(weight, **options))
    network = deploy.from_nir(image_branches(*nodes), time_steps=3, reset="zero")
    assert network.layers["conv2"].input_shape == (4, 4, 4)
    inputs = generator.integers(0, 2, (5, 3, 2, 4, 4))
    image = torch.from_numpy(inputs).flatten(0, 1).double()
    sums = sum(
        torch.nn.functional.conv2d(image, weight, padding=node.padding, dilation=node.dilation)
        for weight, node in zip(weights, nodes, strict=True)
    )
    expected = (sums > 1).flatten(1).unflatten(0, (5, 3)).numpy()
    assert 0 < expected.mean() < 1
    assert np.array_equal(compiled_spikes(network, inputs), expected)


def test_groups_are_filled_up():
    # Two groups of one channel each, beside a convolution of both.
    depthwise = np.array([[[[1.5]]], [[[0.75]]]])
    nodes = {
        "a": conv(2.0 * np.eye(2)[:, :, None, None]),
        "x": memoryless(2, 4, 4),
        "b": conv(depthwise, groups=2),
        "c": conv(np.array([[-1.0, 0.0], [0.5, 0.0]])[:, :, None, None]),
        "y": memoryless(2, 4, 4),
        "flat": nir.Flatten({"input": np.array([2, 4, 4])}, 0),
        "d": nir.Linear(2 * np.eye(32, dtype=np.float32)),
        "z": memoryless(32),
    }
    edges = [*pairwise(["input", "a", "x", "b", "y", "flat", "d", "z", "output"]), ("input", "c"), ("c", "y")]
    network = deploy.from_nir(graph_of(nodes, edges, (2, 4, 4), (32,)), time_steps=1, reset="zero")
    # y_1 = 1.5 i_1 - i_1 never fires; y_2 = 0.75 i_2 + 0.5 i_1 where both are.
    inputs = np.random.default_rng(1).integers(0, 2, (3, 1, 2, 4, 4))
    both = inputs[:, :, 0] * inputs[:, :, 1]
    expected = np.stack([0 * both, both], axis=2).reshape(3, 1, 32)
    assert np.array_equal(compiled_spikes(network, inputs), expected)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            lambda: conv(np.ones((1, 2, 3, 3)), 1),
            lambda: conv(np.ones((1, 2, 5, 5)), 4, dilation=2),
            r"y: it adds the convolutions b \(kernel \(3, 3\), stride \(1, 1\), padding \(1, 1\), dilation"
            r" \(1, 1\).*give both the same stride, dilation and image",
        ),
        # Of different extents: 4 x 4 and 2 x 2 positions.
        (
            lambda: conv(np.ones((1, 2, 3, 3)), 1),
            lambda: conv(np.ones((1, 2, 3, 3))),
            "y: it adds the convolutions",
        ),
    ],
)
def test_convolutions_that_no_convolution_adds_are_named(first, second, message):
    with pytest.raises(deploy.CompileError, match=message):
        deploy.from_nir(image_branches(first(), second()), time_steps=2, reset="zero")


def test_a_convolution_beside_a_matrix_is_named():
    graph = image_branches(conv(np.ones((1, 2, 3, 3)), 1), linear([1.0] * 32))
    graph.nodes["flat_c"] = nir.Flatten({"input": np.array([2, 4, 4])}, 0)
    graph.edges.remove(("input", "c"))
    graph.edges += [("input", "flat_c"), ("flat_c", "c")]
    with pytest.raises(deploy.CompileError, match=r"y: b is a Conv2d and c a Linear or Affine; write both"):
        deploy.from_nir(graph, time_steps=2, reset="zero")


def test_different_numbers_of_outputs_are_named():
    graph = two_branches(linear([0.5, 0.25]), linear([0.75, 0.0], [1.0, 0.0]))
    with pytest.raises(deploy.FormatError, match="y: b has 1 outputs and c 2"):
        deploy.from_nir(graph, time_steps=2, reset="zero")


def test_a_network_with_branches_can_be_pruned():
    # The inputs behind a concatenation count as alive: its channels are of several layers.
    graph = two_branches(linear([0.5, 0.25]), linear([0.75, 0.0]))
    network = deploy.from_nir(graph, time_steps=2, reset="zero")
    pruner = dpap.DPAP(network, dpap.DPAPConfig())
    assert network.sources_of("fc2") == ("input",)
    network.train()
    network(torch.ones(3, 2)).sum().backward()
    assert network.layers["fc2"].weight.grad.shape == (1, 4)
    pruner.after_batch()
    pruner.after_epoch()
    assert pruner.masks["fc2"].shape == (1, 4)


def test_a_network_with_branches_has_no_budget():
    network = deploy.from_nir(
        two_branches(linear([0.5, 0.25]), linear([0.75, 0.0])), time_steps=2, reset="zero"
    )
    with pytest.raises(dpap.InputError, match="concat1: the units behind a Concatenation have no"):
        Units(network, deploy.compile(network))


def test_where_a_concatenation_may_stand():
    neuron = dpap.LIF()
    layers = {
        "conv1": Conv("conv1", (1, 2, 2), 1, 1, neuron, 2),
        "concat1": Concatenation([1, 1]),
        "conv2": Conv("conv2", (2, 2, 2), 2, 1, neuron, 2, groups=2),
        "fc1": Dense("fc1", 8, 1, neuron, 2),
    }
    sources = {"conv1": ("input",), "concat1": ("input", "conv1"), "conv2": ("concat1",), "fc1": ("conv2",)}
    network = Network("", (1, 2, 2), 2, 1, neuron, layers, sources)
    with pytest.raises(deploy.CompileError, match="conv2: a Conv of 2 groups cannot be compiled behind a"):
        deploy.compile(network)
    layers = {
        "fc1": Dense("fc1", 4, 4, neuron, 2),
        "concat1": Concatenation([4, 4]),
        "add1": Addition(),
        "fc2": Dense("fc2", 8, 1, neuron, 2),
    }
    sources = {"fc1": ("input",), "concat1": ("input", "fc1"), "add1": ("concat1",), "fc2": ("add1",)}
    network = Network("", (4,), 2, 1, neuron, layers, sources)
    with pytest.raises(deploy.CompileError, match="concat1: a Concatenation is compiled only directly"):
        deploy.compile(network)
