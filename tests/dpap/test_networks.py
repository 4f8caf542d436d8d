import pytest
import torch
from factories import firing_network

import dpap
from dpap.networks import INPUT, RECIPES

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
        (("4C3g3-10FC", (3, 8, 8), 4), "conv1: 3 groups do not divide its 3 inputs and 4 channels"),
        (("4C9p0-10FC", (3, 8, 8), 4), r"conv1: its window is larger than its input: 9 .* against 8"),
        (("4C3p0d4-10FC", (3, 8, 8), 4), r"conv1: its window is larger than its input: 3 \(dilation 4\)"),
        (("4C3x4-10FC", (3, 8, 8), 4), r"no padding keeps the size of the input with an even"),
        (("4C3-MP2p2-10FC", (3, 8, 8), 4), "a padding of 2 for a window of 2; expected at most half"),
        (("4C3-SP9-10FC", (3, 8, 8), 4), "pool1: its window is larger"),
        (("Delay3-10FC", (8,), 4), "Delay3 .* has no layer of neurons before it"),
        (("AP2-Flatten-Delay3-10FC", (1, 8, 8), 4), "Delay3 .* has no layer of neurons before it"),
        (("5FC-Delay63-10FC", (8,), 4), "delays of up to 63 steps; expected 1 to 62"),
        (("10FC-Delay3", (8,), 4), "must end with a fully connected layer"),
        (
            ("Res(4C3-MP2)-10FC", (4, 8, 8), 4),
            r"adds pool1 of shape \(4, 4, 4\).* input of shape \(4, 8, 8\)",
        ),
        (("4C3-Res(4C3-AP3s1p1)-10FC", (4, 8, 8), 4), r"where 9 stands for 1.* and conv1 .*where 1 does"),
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


def test_layers_are_what_the_notation_says():
    network = dpap.networks.build(
        "8C3x5s2p1d2g2-BN-MP3s2p1-DP0.5-Res(8C3-Delay4|8C1)-SP2-Flatten-20RFC-10FC-BN-4FC",
        (2, 32, 30),
        4,
        bias=True,
    )
    conv, pool, spiking = (network.layers[name] for name in ("conv1", "pool1", "pool2"))
    # Height (32 + 2 - 2 * 2 - 1) // 2 + 1, width (30 + 2 - 2 * 4 - 1) // 2 + 1.
    assert (conv.weight.shape, conv.output_shape) == ((8, 1, 3, 5), (8, 15, 12))
    assert pool.output_shape("", conv.output_shape) == (8, 8, 6)
    assert spiking.input_shape == (8, 8, 6)
    assert spiking.input_bound == 2
    assert network.layers["fc1"].weight.shape == (20, 8 * 4 * 3 + 20)
    assert network.sources["add1"] == ("delay1", "conv3")
    assert network.sources["conv3"] == network.sources["conv2"] == ("dropout1",)
    biased = [block.name for block in network.synaptic_blocks() if block.bias is not None]
    assert biased == ["conv2", "conv3", "fc1", "fc3"]
    assert [block.name for block in network.synaptic_blocks() if block.norm is not None] == ["conv1", "fc2"]
    assert [block.name for block in network.synaptic_blocks() if block.rounds] == ["conv2", "conv3"]


def test_sources_look_through_what_has_no_learned_synapses():
    network = dpap.networks.build("4C3-SP2-Res(4C3-DP0.5|4C1)-MP2-Res(4C3)-10FC-Res(10RFC)-3FC", (4, 8, 8), 4)
    # add2 is conv4 and the pooled conv2 and conv3; add3 is fc2 and fc1.
    expected = {
        "conv1": (INPUT,),
        "conv2": ("conv1",),
        "conv3": ("conv1",),
        "conv4": ("conv2", "conv3"),
        "fc1": ("conv4", "conv2", "conv3"),
        "fc2": ("fc1",),
        "fc3": ("fc2", "fc1"),
    }
    assert {name: network.sources_of(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("notation", "exact"),
    [
        ("4C3-4C3", True),
        ("4C3-AP2-4C3", True),
        ("4C3-AP3-4C3", False),
        ("4C3-AP2s1-4C3", False),
        ("4C3-AP2p1-4C3", False),
        ("4C3-MP2-4C3", False),
        ("4C3-SP2-4C3", False),
        ("4C3-DP0.5-4C3", False),
        ("4C3-Res(4C3)-4C3", False),
    ],
)
def test_sums_are_exact_where_no_spike_is_lost_or_counted_twice(notation, exact):
    network = dpap.networks.build(f"{notation}-3FC", (1, 8, 8), 4)
    target = [name for name in network.layers if name.startswith("conv")][-1]
    assert network.sums_exactly("conv1", target) is exact
    assert not network.sums_exactly("conv1", "conv1")


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "cifar10"])
def test_recipes_are_ready_by_name(name):
    network = dpap.networks.named(name, time_steps=2)
    recipe = RECIPES[name]
    assert (network.input_shape, network.input_max, network.time_steps) == (
        recipe.input_shape,
        recipe.input_max,
        2,
    )
    inputs = torch.randint(0, recipe.input_max + 1, (1, *recipe.input_shape)).float()
    assert network(inputs).shape == (1, 11 if name == "dvs-gesture" else 10, 2)


def test_the_papers_cifar_network_has_its_shapes():
    network = dpap.networks.named("cifar10")
    shapes = [(block.output_shape, block.norm is not None) for block in network.synaptic_blocks()]
    convolutions = [(128, 32, 32), (128, 32, 32), (256, 16, 16), (256, 16, 16), (512, 8, 8), (512, 8, 8)]
    assert shapes == [*((shape, True) for shape in convolutions), ((512,), False), ((10,), False)]


def test_vgg16_takes_small_images():
    network = dpap.networks.build("VGG16-10FC", (3, 32, 32), 1)
    assert network.layers["fc1"].weight.shape == (512, 512)


def test_an_unknown_recipe_is_refused_with_those_there_are():
    with pytest.raises(dpap.NetworkError, match="no network 'mnist2'; there are mnist, mnist-2fc"):
        dpap.networks.named("mnist2")


EVERY_BLOCK = "4C3g2-BN-MP3s2p1-DP0.2-Res(4C3-Delay2|4C1)-SP2-AP2-9RFC-DP0.5-Res(9FC)-5FC"


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("samples", [0, 1, 3])
@pytest.mark.parametrize("static", [False, True])
def test_every_block_takes_any_batch(static, samples, steps, training):
    network = firing_network(EVERY_BLOCK, (2, 9, 8), steps, input_max=4, bias=True).train(training)
    inputs = torch.randint(0, 5, (samples, 2, 9, 8) if static else (samples, 2, 9, 8, steps)).float()
    output = network(inputs)
    assert output.shape == (samples, 5, steps)
    output.sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.uint8, torch.int64])
def test_whole_numbers_of_any_type_are_the_same_input(dtype):
    network = firing_network("4C3-AP2-5FC", (1, 8, 8), 4, input_max=16)
    inputs = torch.randint(0, 17, (3, 1, 8, 8))
    assert torch.equal(network(inputs.to(dtype)), network(inputs.float()))
    assert network(inputs).sum() > 0


def test_events_may_be_bool():
    network = firing_network("9FC-5FC", (6,), 4)
    events = torch.rand(3, 6, 4) < 0.5
    assert torch.equal(network(events), network(events.float()))
    assert network(events).sum() > 0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(2, 6, 4, dtype=torch.complex64), "complex64; expected a Tensor of real numbers"),
        ([[0.0] * 6], "list; expected a Tensor of real numbers"),
        (None, "NoneType; expected a Tensor of real numbers"),
        (torch.zeros(()), r"shape \(\); expected \(N, 6\)"),
        (torch.zeros(2, 6, 3), r"shape \(2, 6, 3\); expected .* a last axis of T = 4"),
        (torch.full((1, 6), 2**60), r"is 1.15292e\+18; expected whole numbers from 0 to 1"),
    ],
)
def test_anything_but_numbers_of_the_right_shape_is_refused(inputs, message):
    network = dpap.networks.build("9FC-5FC", (6,), 4)
    with pytest.raises(dpap.NetworkError, match=message):
        network(inputs)


def test_a_residual_connection_adds_spikes():
    network = firing_network("6FC-Res(6FC)-4FC", (5,), 6)
    inputs = torch.randint(0, 2, (8, 5, 6)).float()
    recorded = network.record(inputs)
    last = network.layers["fc3"]
    assert last.input_bound == 2
    # The output receives both layers through the same weights.
    expected = last(recorded["fc1"].transpose(0, 1) + recorded["fc2"].transpose(0, 1))
    assert (recorded["fc1"] + recorded["fc2"]).max() == 2
    assert torch.equal(expected.transpose(0, 1), recorded["fc3"])
    assert torch.equal(network(inputs), recorded["fc3"].permute(0, 2, 1))
