"""Networks of rectified linear units to and from stock sigma-delta blocks."""

import subprocess
import sys

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lava.lib.dl.slayer.block import cuba, sigma_delta
from stock import movies
from torch import nn

import dpap
from dpap.slayer.sigma_delta import MaxPool, SlayerDeltaEncoder

NEURON = {"threshold": 0.1, "activation": torch.nn.functional.relu}


@torch.no_grad()
def assert_same_messages(network, blocks, inputs):
    """Every layer of ours sends what the stock block sends, in whole messages; whether all sent any."""
    ours, activity, layers = network.record(inputs), inputs, iter(network.synaptic_blocks())
    silent = False
    for block in blocks:
        activity = block(activity)
        if hasattr(block, "synapse"):
            sent = ours.pop(next(layers).name).movedim(1, -1)
            assert torch.equal(activity * block.neuron.s_scale, sent)
            silent |= not sent.any()
    assert not ours
    return not silent


@st.composite
def networks(draw):
    notation, shape = draw(
        st.sampled_from(
            [
                ("5C3-MP2-6C3s2-AP2-9FC-4FC", (2, 12, 10)),
                ("4C3x5-BN-MP3s2p1-6C3p0d2g2-BN-DP0.2-3FC", (2, 9, 11)),
                ("MP2-6C2p0-5FC", (1, 7, 6)),
                ("20FC-BN-8FC-5FC", (15,)),
            ]
        )
    )
    neuron = dpap.ReLU(threshold=draw(st.sampled_from([0, 0.03, 0.4])), fraction_bits=draw(st.integers(4, 8)))
    torch.manual_seed(draw(st.integers(0, 1000)))
    network = dpap.networks.build(
        notation,
        shape,
        draw(st.integers(1, 16)),
        neuron=neuron,
        input_max=draw(st.sampled_from([1, 16, 255])),
        bias=draw(st.booleans()),
    )
    for block in network.synaptic_blocks():
        # More excitation than inhibition, so that all layers send.
        block.weight.data += 0.2 * block.weight.data.abs()
        block.mask[-1] = 0
    return network.eval()


@settings(max_examples=20)
@given(networks())
def test_messages_are_equal_both_ways(network):
    inputs = movies(network.input_shape, 2, network.time_steps, network.input_max)
    stock = dpap.to_slayer(network)
    sends = assert_same_messages(network, stock, inputs)
    again = dpap.from_slayer(stock, network.input_shape, network.time_steps, network.input_max)
    assert_same_messages(again, stock, inputs)
    for before, after in zip(network.synaptic_blocks(), again.synaptic_blocks(), strict=True):
        ours, theirs = before.integer_parameters(), after.integer_parameters()
        assert (ours.threshold, ours.shift) == (theirs.threshold, theirs.shift)
        assert torch.equal(ours.weight, theirs.weight)
    total = (
        stock(inputs).cumsum(-1)
        * stock[-1].neuron.s_scale
        / network.layers[again.synaptic_blocks()[-1].name].output_divisor
    )
    assert torch.equal(total, network(inputs))
    # A network whose last layer stays silent is compared too, but shows less; most have to send.
    assume(sends)


def stock_network(thresholds=(0.1, 0.2, 0.05), scales=(64, 64, 64, 64), weight_norm=False, seed=0):
    torch.manual_seed(seed)
    params = [{**NEURON, "threshold": t, "scale": s} for t, s in zip((0.1, *thresholds), scales, strict=True)]
    net = nn.Sequential(
        sigma_delta.Input(dict(params[0])),
        sigma_delta.Conv(params[1], 2, 6, 3, padding=1, weight_norm=weight_norm),
        dpap.slayer.SumPool(2),
        sigma_delta.Conv(params[2], 6, 5, 2, weight_norm=weight_norm),
        MaxPool(2, 1),
        sigma_delta.Flatten(),
        sigma_delta.Dense(params[3], 5 * 2 * 1, 4, weight_norm=weight_norm),
    )
    for block in net:
        if hasattr(block, "synapse"):
            name = "weight_v" if weight_norm else "weight"
            weight = getattr(block.synapse, name)
            weight.data += 0.3 * weight.data.abs()
    return net


SHAPE, STEPS = (2, 8, 7), 10


@pytest.mark.parametrize(
    ("thresholds", "scales", "weight_norm"),
    [
        ((0.1, 0.2, 0.05), (64, 64, 64, 64), False),
        ((0.0, 0.0, 0.0), (64, 64, 64, 64), True),
        ((0.3, 0.1, 0.01), (32, 16, 128, 64), False),
    ],
)
def test_stock_networks_convert_with_the_same_messages(thresholds, scales, weight_norm):
    net = stock_network(thresholds, scales, weight_norm)
    network = dpap.from_slayer(net, SHAPE, STEPS, 20)
    assert list(network.layers) == ["encoder1", "conv1", "pool1", "conv2", "pool2", "flatten1", "fc1"]
    assert [b.integer_parameters().scale for b in network.synaptic_blocks()] == list(scales[1:])
    inputs = movies(SHAPE, 3, STEPS, 20)
    # An input of 1 is the step to which stock inputs are rounded.
    stock_inputs = inputs * 2 / scales[0]
    sent = nn.Sequential(*net)[0](stock_inputs)
    known = network.layers["encoder1"](inputs.movedim(-1, 0)).movedim(0, -1)
    assert torch.equal(sent.cumsum(-1) * 64 * scales[0], known)
    activity, ours = stock_inputs, network.record(inputs)
    layers = iter(network.synaptic_blocks())
    for block in net:
        activity = block(activity)
        if hasattr(block, "synapse"):
            messages = ours[next(layers).name].movedim(1, -1)
            assert torch.equal(activity.detach() * block.neuron.s_scale, messages) and messages.any()
    again = dpap.to_slayer(network)
    assert assert_same_messages(network, again, inputs)


def dense(neuron=None, **options):
    return sigma_delta.Dense({**NEURON, **(neuron or {})}, 6, 4, **options)


def set_bias(bias):
    block = dense()
    block.neuron.set_bias(bias)
    return block


REFUSED = {
    "activation": (lambda: dense({"activation": torch.tanh}), "activation is tanh; expected .*relu"),
    "cumulative error": (lambda: dense({"cum_error": True}), "cumulative error.*cum_error=False"),
    "norm": (lambda: dense({"norm": lambda: nn.Identity()}), "has a norm that is no MeanOnlyBatchNorm.*fold"),
    "persistent": (lambda: dense({"persistent_state": True}), "persists.*persistent_state=False"),
    "shared": (lambda: dense({"shared_param": False}), "each channel's own.*shared_param=True"),
    "delay": (lambda: dense(delay=True), "axonal delays.*delay=False"),
    "scale": (lambda: dense({"scale": 100}), "scale is 100; .*powers of two"),
    "bias": (
        lambda: set_bias(torch.tensor([0.1, 0.2, 0.3, 0.4])),
        "bias that is no multiple of 2..-17.*round",
    ),
    "bias shape": (lambda: set_bias(torch.zeros(3)), r"bias of shape \(3,\); expected one for each of 4"),
    "inputs": (lambda: sigma_delta.Dense(NEURON, 5, 4), r"takes 5 inputs .* here they are \(6,\)"),
    "other": (
        lambda: cuba.Dense({"threshold": 1, "current_decay": 1, "voltage_decay": 1}, 6, 4),
        "counterpart",
    ),
    "threshold": (lambda: dense({"threshold": 1e4}), "its threshold is .*expected 1 to 4194304"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_refused(case):
    make, message = REFUSED[case]
    net = nn.Sequential(SlayerDeltaEncoder(64), make())
    with pytest.raises(dpap.NetworkError, match=f"(?s)block 1 .*{message}"):
        dpap.from_slayer(net, (6,), 4, 10)


def test_a_chain_must_start_with_an_encoder_and_end_with_a_dense_block():
    with pytest.raises(dpap.NetworkError, match=r"block 0 \(sigma_delta.Dense\) comes first .*DeltaEncoder"):
        dpap.from_slayer(nn.Sequential(dense()), (6,), 4)
    with pytest.raises(dpap.NetworkError, match=r"last block must be a sigma_delta\.Dense"):
        dpap.from_slayer(nn.Sequential(SlayerDeltaEncoder(64)), (6,), 4)
    with pytest.raises(dpap.NetworkError, match=r"block 0 .*clips beyond 127 .*input_max is 128"):
        dpap.from_slayer(nn.Sequential(sigma_delta.Input(dict(NEURON)), dense()), (6,), 4, 128)


@pytest.mark.parametrize("notation", ["8FC-Res(8FC)-4FC", "4C3-AP3s2-4FC"])
def test_what_stock_blocks_cannot_be_is_named(notation):
    shape = (1, 8, 8) if "C3" in notation else (5,)
    network = dpap.networks.build(notation, shape, 2, neuron=dpap.ReLU())
    with pytest.raises(
        dpap.NetworkError, match=r"add1 takes its input from|pool1: a SumPool .*no counterpart"
    ):
        dpap.to_slayer(network)


def test_importing_does_not_import_lava():
    code = (
        "import sys, dpap; dpap.networks.build('4FC-2FC', (3,), 2, neuron=dpap.ReLU());"
        "assert dpap.slayer.sigma_delta and not any(name.split('.')[0] == 'lava' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
