"""Networks of rectified linear units."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import dpap
from dpap.blocks import exact_products
from dpap.checkpoint import load_checkpoint, save_checkpoint
from dpap.data import Split, load_digits
from dpap.plasticity.traces import spiking_trace
from dpap.training import TrainingConfig, train
from dpap.training.epoch import evaluate


def relu_network(notation, shape, time_steps=1, *, seed=0, **options):
    torch.manual_seed(seed)
    options = {"neuron": dpap.ReLU(), "input_max": 16, **options}
    return dpap.networks.build(notation, shape, time_steps, **options).eval()


def images(network, samples=5, steps=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, *network.input_shape, *(() if steps is None else (steps,)))
    return torch.randint(0, network.input_max + 1, shape, generator=generator).float()


def test_the_papers_networks_have_their_layers():
    network = dpap.networks.named("mnist-dnn")
    shapes = [(tuple(b.weight.shape), b.output_shape) for b in network.synaptic_blocks()]
    assert shapes == [
        ((20, 1, 5, 5), (20, 24, 24)),
        ((50, 20, 5, 5), (50, 8, 8)),
        ((500, 800), (500,)),
        ((10, 500), (10,)),
    ]
    assert [b.bias is not None for b in network.synaptic_blocks()] == [True] * 4
    assert [b.neuron.rectified for b in network.synaptic_blocks()] == [True, True, True, False]
    vgg = dpap.networks.named("cifar10-dnn")
    assert [b.kind for b in vgg.synaptic_blocks()] == ["conv"] * 13 + ["dense"] * 3
    assert vgg(torch.full((1, 3, 32, 32), 255.0)).shape == (1, 10, 1)


def test_a_network_computed_by_hand():
    # Where 255 stands for 1, weights of 0.5, -0.25 and 1, 1 are 64, -32 and 128, 128 at 2**7, since 256 is
    # beyond 254. Inputs of 100 and 40 make 64 * 100 - 32 * 40 = 5120 and 128 * 140 = 17920. 255 has two
    # digits more than six, so sums lose 7 + 2: 10 and 35, where 63.75 stand for 1. The next layer has the
    # weights 1, -1 and loses 7: (128 * 10 - 128 * 35) / 128 = -25, which is -25 / 63.75.
    network = relu_network("2FC-1FC", (2,), input_max=255)
    first, second = network.synaptic_blocks()
    first.weight.data = torch.tensor([[0.5, -0.25], [1.0, 1.0]])
    second.weight.data = torch.tensor([[1.0, -1.0]])
    weight, scale, threshold, bias, shift = first.integer_parameters()
    assert (weight.tolist(), scale, threshold, bias, shift) == ([[64, -32], [128, 128]], 128, 512, None, 9)
    inputs = torch.tensor([[100.0, 40.0]])
    recorded = network.record(inputs)
    assert recorded["fc1"].tolist() == [[[10, 35]]] and recorded["fc2"].tolist() == [[[-25]]]
    assert network(inputs).item() == pytest.approx(-25 / 63.75)


def test_outputs_and_gradients_are_close_to_the_real_valued_networks():
    network = relu_network("8C3-MP2-12C3-AP2-40FC-10FC", (1, 12, 12), bias=True, input_max=255)
    inputs, labels = images(network, 20), torch.arange(20) % 10
    activity = inputs / 255
    for name, block in network.layers.items():
        if isinstance(block, dpap.blocks.Conv):
            activity = torch.relu(nn.functional.conv2d(activity, block.weight, block.bias, padding=1))
        elif isinstance(block, dpap.blocks.Dense):
            activity = nn.functional.linear(activity, block.weight, block.bias)
            activity = activity if name == "fc2" else torch.relu(activity)
        elif isinstance(block, dpap.blocks.MaxPool):
            activity = nn.functional.max_pool2d(activity, 2)
        elif isinstance(block, dpap.blocks.SumPool):
            activity = nn.functional.avg_pool2d(activity, 2)
        else:
            activity = activity.flatten(1)
    output = network(inputs)
    error = (output[:, :, 0] - activity).abs().max()
    assert activity.std() > 0.3 and error < 0.15 * activity.std()
    parameters = list(network.parameters())
    expected = torch.autograd.grad(nn.functional.cross_entropy(activity, labels), parameters)
    gradients = torch.autograd.grad(dpap.training.logit_loss(output, labels), parameters)
    for ours, real in zip(gradients, expected, strict=True):
        assert (ours - real).norm() < 0.2 * real.norm()


def test_an_input_without_time_is_the_same_at_every_step():
    network = relu_network(
        "6C3-MP2-8C3-AP2-20FC-5FC", (2, 9, 8), 5, neuron=dpap.ReLU(threshold=0.1), bias=True
    )
    image = images(network)
    repeated = image.unsqueeze(-1).expand(*image.shape, 5)
    assert torch.equal(network(image), network(repeated))
    for name, sent in network.record(image).items():
        assert torch.equal(sent, network.record(repeated)[name])
        assert sent[:, 0].any() and not sent[:, 1:].any()


def test_a_pool_computed_along_with_the_spikes_changes_nothing():
    network = relu_network("6C3-AP2-5FC", (1, 8, 8), bias=True)
    inputs = images(network)
    before = network(inputs)
    assert network._pooled_by
    network._pooled_by = {}
    assert torch.equal(network(inputs), before) and before.any()


@pytest.mark.parametrize("notation", ["6C3-BN-Res(6C3-BN-6C3)-MP2-12FC-BN-DP0.3-4FC", "8FC-Res(8FC-8FC)-4FC"])
def test_all_layers_learn(notation):
    shape = (2, 8, 8) if "C3" in notation else (30,)
    network = relu_network(notation, shape, bias=True).train()
    labels = torch.arange(20) % 4
    inputs = images(network, 20)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(15):
        loss = dpap.training.logit_loss(network(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.9 * losses[0]


@pytest.mark.parametrize("training", [False, True])
def test_a_pruned_channel_is_silent_for_all_its_biases(training):
    network = relu_network("4C3-BN-AP2-6C3-8FC-BN-3FC", (1, 8, 8), bias=True).train(training)
    for block in network.synaptic_blocks():
        (block.bias if block.norm is None else block.norm.bias).data.fill_(1.0)
        block.mask[1] = 0
    recorded = network.record(images(network))
    for sent in recorded.values():
        assert sent[:, :, 0].any() and not sent[:, :, 1].any()


def test_dpap_prunes_and_what_it_prunes_is_silent():
    network = relu_network("6C3-MP2-30FC-10FC", (1, 8, 8), bias=True)
    _, split = load_digits()
    # A survival function that starts low falls below zero within a few epochs.
    pruner = dpap.DPAP(network, dpap.DPAPConfig(beta=1.0, normalization="percentile"))
    history = train(network, split, split, TrainingConfig(epochs=3), pruner)
    assert history[-1].train_accuracy > history[0].train_accuracy
    assert 0 < pruner.pruning_rate < 1
    pruned = {name: ~layer.neuron_alive for name, layer in pruner.layers.items() if layer.prunable}
    assert any(gone.any() for gone in pruned.values())
    recorded = network.eval().record(torch.from_numpy(split.inputs[:50]))
    for name, gone in pruned.items():
        assert recorded[name].any() and not recorded[name][:, :, gone].any()


def test_traces_are_the_activations_summed_over_positions():
    network = relu_network("3C3-5FC", (1, 4, 4)).train()
    shown = []
    network.layers["conv1"].watch(lambda inputs, activity: shown.append((inputs, activity)))
    inputs = images(network)
    network(inputs)
    ((received, activity),) = shown
    # The events of 1 to 16 are made 4 times as large, to be as fine as messages of 1/64.
    assert torch.equal(received[0], 4 * inputs)
    # One step, eq. 19: the sum over positions of the rectified output.
    trace = spiking_trace(activity, 1, 0.5)
    assert torch.equal(trace, network.eval().record(inputs)["conv1"][:, 0].sum((2, 3))) and trace.any()


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("4C3-SP2-5FC", r"pool1: a SpikingPool block cannot have ReLU neurons; expected alif or lif"),
        ("6RFC-5FC", r"fc1: a Recurrent block cannot have ReLU neurons; expected alif or lif"),
        ("4C3-Delay4-5FC", r"Delay4 in .* delays spikes; ReLU units send none"),
    ],
)
def test_layers_of_spikes_alone_are_refused(notation, message):
    with pytest.raises(dpap.NetworkError, match=message):
        relu_network(notation, (1, 8, 8))


@pytest.mark.parametrize(
    "values", [{"threshold": -0.1}, {"threshold": float("nan")}, {"fraction_bits": 40}, {"x": 1}]
)
def test_wrong_parameters_are_refused(values):
    with pytest.raises(ValueError):
        dpap.ReLU(**values)


def test_weights_that_do_not_fit_are_named():
    network = relu_network("3FC-2FC", (4,))
    block = network.layers["fc1"]
    # Of 64 for the input 1 all six digits are kept, so a weight of 1 is at least one unit; 254 is the most.
    block.weight.data.fill_(250.0)
    assert block.integer_parameters().weight.unique().tolist() == [250]
    block.weight.data.fill_(255.0)
    with pytest.raises(dpap.NetworkError, match=r"fc1: at 2\*\*0 units .* weight of 255 does not fit"):
        network(images(network))
    block.weight.data.fill_(float("nan"))
    with pytest.raises(dpap.NetworkError, match=r"fc1: a weight is nan"):
        network(images(network))


def test_coarse_inputs_are_made_as_fine_as_messages():
    network = relu_network("2FC", (2,), input_max=1)
    network.layers["fc1"].weight.data = torch.tensor([[0.5, -0.25], [1.0, 0.125]])
    assert list(network.layers) == ["encoder1", "fc1"]
    # 64 messages for an event: 0.5 and 1.125 are 32 and 72.
    assert network.record(torch.ones(1, 2))["fc1"].tolist() == [[[16, 72]]]
    assert network(torch.ones(1, 2)).flatten().tolist() == [0.25, 1.125]


def test_activations_that_leave_24_and_32_bits_are_named():
    # Weights of 1 are 128 units, with 7 digits to drop: messages end at 2**23, sums at 2**30.
    network = relu_network("400FC-400FC-400FC-2FC", (400,), input_max=65535)
    for block in network.synaptic_blocks():
        block.weight.data.fill_(1.0)
    with pytest.raises(
        dpap.ActivationOverflow,
        match=r"fc3: an activation reaches \d+ in neuron 0 in sample 0 at step 0, .* stay below 1073741824",
    ):
        network(images(network))
    # The last sample alone leaves its range, at the second of two steps.
    network = relu_network("4FC-2FC", (400,), 2, input_max=65535)
    for block in network.synaptic_blocks():
        block.weight.data.fill_(1.0)
    inputs = torch.ones(3, 400, 2)
    inputs[2, :, 1] = 65535
    with pytest.raises(dpap.ActivationOverflow, match="in neuron 0 in sample 2 at step 1, in whole numbers"):
        network(inputs)


def test_measuring_an_activation_that_leaves_its_range_raises_since_it_does_not_wrap():
    network = relu_network("4FC-2FC", (400,), input_max=65535)
    for block in network.synaptic_blocks():
        block.weight.data.fill_(1.0)
    split = Split(np.full((2, 400), 65535, np.uint16), np.zeros(2, np.int64), 65535)
    with (
        warnings.catch_warnings(),
        pytest.raises(dpap.ActivationOverflow, match="fc1: an activation reaches"),
    ):
        # None that currents were wrapped.
        warnings.simplefilter("error")
        evaluate(network, split)


@pytest.mark.parametrize("fraction_bits", [6, 12])
def test_a_checkpoint_keeps_the_neuron(tmp_path, fraction_bits):
    neuron = dpap.ReLU(threshold=0.25, fraction_bits=fraction_bits)
    network = relu_network("4C3-BN-MP2-10FC", (1, 8, 8), 3, neuron=neuron, bias=True)
    network.layers["conv1"].mask[1] = 0
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    inputs = images(network, steps=3)
    assert loaded.neuron == neuron
    assert torch.equal(network(inputs), loaded.eval()(inputs)) and network(inputs).any()


@st.composite
def networks(draw):
    shape = (2, 9, 8)
    notation = draw(st.sampled_from(["5C3s2-MP3s2p1-7FC-4FC", "4C3-AP2-6C3p0g2-9FC-3FC", "20FC-BN-8FC-5FC"]))
    neuron = dpap.ReLU(
        threshold=draw(st.sampled_from([0, 0.05, 0.7])), fraction_bits=draw(st.integers(2, 14))
    )
    network = relu_network(
        notation,
        shape,
        draw(st.integers(1, 4)),
        neuron=neuron,
        input_max=draw(st.sampled_from([1, 16, 4095])),
        bias=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
    )
    gain = draw(st.sampled_from([0.01, 1.0, 2.0]))
    for block in network.synaptic_blocks():
        block.weight.data *= gain
    return network


@settings(max_examples=20)
@given(networks())
def test_every_number_is_that_of_float64(network):
    inputs = images(network, 3, network.time_steps)
    exact = network.record(inputs)
    for name, sent in network.double().record(inputs).items():
        assert torch.equal(exact[name].double(), sent)


@settings(max_examples=20)
@given(networks(), st.integers(0, 100))
def test_the_bound_of_sums_holds(network, seed):
    for block in network.synaptic_blocks():
        weight = block.integer_parameters().weight.detach()
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randint(-5, 500, (2, *block.input_shape), generator=generator).float()
        reached = block.synapse(inputs.abs().double(), weight.abs().double()).max().item()
        bound = exact_products.bound_of_sums(block.synapse, inputs, weight, block.groups)
        assert reached <= bound


def test_sums_that_float32_does_not_hold_are_exact():
    # 127 * 2 * 2**18 + 2 * 1, of which there are two: float32 would lose the 4 beyond 2**26.
    inputs, weight = torch.tensor([[2.0**18, 1.0] * 2]), torch.tensor([[254.0, 2.0] * 2])
    exact = 2 * (254 * 2**18 + 2)
    sums = exact_products.exact_sums(nn.functional.linear, inputs, weight, torch.tensor([6.0]))
    assert sums.dtype == torch.float64 and sums.item() == exact + 6
    assert nn.functional.linear(inputs, weight).item() != exact
    sums = exact_products.exact_sums(nn.functional.linear, inputs / 64, weight, None)
    assert sums.dtype == torch.float32
