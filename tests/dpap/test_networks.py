import pytest
import torch
from factories import firing_network

import dpap

PAPERS = "15C3-AP2-40C3-AP2-300FC-10FC"


def test_the_papers_mnist_network_has_its_shapes():
    network = dpap.networks.build(PAPERS, (1, 28, 28), 8)
    shapes = {
        block.name: (tuple(block.weight.shape), block.output_shape) for block in network.synaptic_blocks()
    }
    assert shapes == {
        "conv1": ((15, 1, 3, 3), (15, 28, 28)),
        "conv2": ((40, 15, 3, 3), (40, 14, 14)),
        "fc1": ((300, 1960), (300,)),
        "fc2": ((10, 300), (10,)),
    }
    output = network(torch.zeros(2, 1, 28, 28, 8))
    assert output.shape == (2, 10, 8)


def test_an_input_without_time_is_the_same_at_every_step():
    network = firing_network("8C3-AP2-10FC", (1, 8, 8), 6, input_max=16)
    image = torch.randint(0, 17, (3, 1, 8, 8)).float()
    repeated = image.unsqueeze(-1).expand(-1, -1, -1, -1, 6)
    assert network(image).sum() > 0
    assert torch.equal(network(image), network(repeated))


def test_batches_of_one_and_none():
    network = firing_network("4C3-AP2-10FC", (1, 8, 8), 1)
    assert network(torch.ones(1, 1, 8, 8, 1)).shape == (1, 10, 1)
    assert network(torch.ones(0, 1, 8, 8, 1)).shape == (0, 10, 1)


def test_a_masked_synapse_is_absent_in_every_pass():
    network = firing_network("4C3-AP2-10FC", (1, 8, 8), 4, gain=1)
    inputs = torch.randint(0, 2, (9, 1, 8, 8, 4)).float()
    block = network.layers["conv1"]
    block.mask[1] = 0
    for training in (True, False):
        network.train(training)
        assert network.record(inputs)["conv1"][:, :, 1].sum() == 0
    network(inputs).sum().backward()
    assert block.weight.grad[1].abs().sum() == 0
    assert block.weight.grad[0].abs().sum() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("10FC-4C3-2FC", (1, 8, 8), 4), r"ConvToken.*needs an input of \(C, H, W\); here it is \(10,\)"),
        (("4C4-10FC", (1, 8, 8), 4), "4C4: no padding keeps the size"),
        (("4C3-AP9-10FC", (1, 8, 8), 4), "AP9 .* window is larger"),
        (("10FC-Flatten", (8,), 4), "must end with a fully connected layer"),
        (("10FC", (8, 8), 4), r"input_shape \(8, 8\)"),
        (("10FC", (0,), 4), r"input_shape \(0,\)"),
        (("10FC", (8,), 0), "time_steps is 0"),
        (("999999FC-10FC", (999,), 4), "makes 999999 neurons"),
    ],
)
def test_wrong_descriptions_are_refused(arguments, message):
    with pytest.raises(dpap.NetworkError, match=message):
        dpap.networks.build(*arguments)


@pytest.mark.parametrize("input_max", [0, 70000, 1.5])
def test_wrong_input_max_is_refused(input_max):
    with pytest.raises(dpap.NetworkError, match="input_max is"):
        dpap.networks.build("10FC", (8,), 4, input_max=input_max)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(float("nan"), "nan"), (float("inf"), "inf"), (-1.0, "-1"), (0.5, "0.5"), (17.0, "17")],
)
def test_wrong_inputs_are_named_with_their_index(value, shown):
    network = dpap.networks.build("10FC", (8,), 4, input_max=16)
    inputs = torch.zeros(3, 8, 4)
    inputs[1, 2, 3] = value
    with pytest.raises(
        dpap.NetworkError, match=rf"\(1, 2, 3\) is {shown}; expected whole numbers from 0 to 16"
    ):
        network(inputs)


def test_a_wrong_shape_is_named_with_what_was_expected():
    network = dpap.networks.build("4C3-10FC", (1, 8, 8), 4)
    with pytest.raises(dpap.NetworkError, match=r"shape \(3, 1, 8, 9, 4\); expected \(N, 1, 8, 8\).*T = 4"):
        network(torch.zeros(3, 1, 8, 9, 4))
