"""The examples of hardware_configs/README.md: what others count as a synaptic operation, by their rules."""

from importlib.resources import files

import numpy as np
import pytest
import torch
from handmade import convolution, dense, graph, pulses, recording
from torch import nn

import deploy
from deploy.ir import INPUT

TEXT = (files("hardware_configs") / "README.md").read_text()


def measured(layer, inputs, input_max=1):
    inputs = np.asarray(inputs)
    network = graph(inputs.shape[2:], [layer], inputs.shape[1], input_max)
    spikes = np.zeros((1, inputs.shape[1], *layer.shape))
    return deploy.measure(network, recording(network, inputs, **{layer.name: spikes}))[layer.name]


def keras_spiking(connections, inputs):
    """Connections times the mean input of a step times the steps."""
    return connections * np.mean(np.abs(inputs)) * inputs.shape[1]


def sinabs_convolution(inputs, outputs):
    """Its connection map is a transposed convolution of ones."""
    with torch.no_grad():
        back = nn.ConvTranspose2d(1, 1, 3, padding=1, bias=False)
        back.weight.fill_(1.0)
        return float((torch.as_tensor(inputs).float().sum(1) * back(torch.ones(outputs))).sum())


def row(counted, operations):
    assert any(counted in line and f"| {operations} |" in line for line in TEXT.splitlines()), (
        counted,
        operations,
    )


def test_a_dense_layer_with_pruned_weights():
    inputs = pulses([1, 0, 1], [0, 1, 1])
    layer = measured(dense("fc", INPUT, [[2, 0, 0], [2, 2, 0]]), inputs)
    counts = {
        "synops_effective": layer.synops_effective,
        "synops_dense": layer.synops_dense,
        # sinabs: the sum of the input times the layer's outputs.
        "sinabs": int(inputs.sum()) * 2,
        "KerasSpiking": round(keras_spiking(6, inputs)),
        "NeuroBench (dense)": 6 * 2,
    }
    assert list(counts.values()) == [3, 8, 8, 8, 12]
    for counted, operations in counts.items():
        row(counted, operations)


def test_the_borders_of_a_convolution():
    inputs = np.ones((1, 1, 1, 3, 3), int)
    layer = measured(convolution("conv", INPUT, np.full((1, 1, 3, 3), 2), 3, 1), inputs)
    assert layer.synops_effective == layer.synops_dense == sinabs_convolution(inputs, (1, 1, 3, 3)) == 49
    assert keras_spiking(9 * 9, inputs) == 81
    row("synops_effective", 49)
    row("KerasSpiking", 81)


def test_a_graded_spike():
    inputs = pulses([5])
    layer = measured(dense("fc", INPUT, [[2]]), inputs, input_max=5)
    assert (layer.synops_effective, layer.synops_effective_unary) == (1, 5)
    assert inputs.sum() * 1 == keras_spiking(1, inputs) == 5
    row("synops_effective_unary", 5)


@pytest.mark.parametrize("evidence", ["sim", "fit", "meas", "arch", "vendor", "derived", "unknown"])
def test_every_evidence_is_explained(evidence):
    assert f"| `{evidence}` |" in TEXT
