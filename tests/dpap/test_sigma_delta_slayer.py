"""Networks of rectified linear units to and from stock sigma-delta blocks."""

import subprocess
import sys

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba, sigma_delta
from torch import nn

import dpap
from dpap.slayer.sigma_delta import DeltaEncoder, MaxPool

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


def movies(network_or_shape, samples, steps, high, seed=0):
    """Whole numbers of which half stay the same from step to step."""
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, *network_or_shape, steps)
    values = torch.randint(0, high + 1, shape, generator=generator).float()
    same = torch.rand(shape, generator=generator) < 0.5
    for t in range(1, steps):
        values[..., t] = torch.where(same[..., t], values[..., t - 1], values[..., t])
    return values


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
    net = nn.Sequential(DeltaEncoder(64), make())
    with pytest.raises(dpap.NetworkError, match=f"(?s)block 1 .*{message}"):
        dpap.from_slayer(net, (6,), 4, 10)


def test_a_chain_must_start_with_an_encoder_and_end_with_a_dense_block():
    with pytest.raises(dpap.NetworkError, match=r"block 0 \(sigma_delta.Dense\) comes first .*DeltaEncoder"):
        dpap.from_slayer(nn.Sequential(dense()), (6,), 4)
    with pytest.raises(dpap.NetworkError, match=r"last block must be a sigma_delta\.Dense"):
        dpap.from_slayer(nn.Sequential(DeltaEncoder(64)), (6,), 4)
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


MEAN_ONLY = slayer.neuron.norm.MeanOnlyBatchNorm


def conv(neuron=None, **options):
    return sigma_delta.Conv({**NEURON, **(neuron or {})}, 2, 6, 3, padding=1, **options)


def movie_network(block):
    """A convolution behind an encoder, and a dense layer; both send."""
    torch.manual_seed(0)
    block.synapse.weight.data += 0.3 * block.synapse.weight.data.abs()
    last = sigma_delta.Dense(dict(NEURON), 6 * 8 * 7, 4)
    last.synapse.weight.data += 0.3 * last.synapse.weight.data.abs()
    # An input of 1 is 128 messages of 1 / 4096, as of a sigma_delta.Input.
    return nn.Sequential(DeltaEncoder(64, 128), block, sigma_delta.Flatten(), last)


def assert_converts(net, high=20):
    """Stock messages, by the check of from_slayer and once more with another input."""
    network = dpap.from_slayer(net, SHAPE, STEPS, high)
    inputs = movies(SHAPE, 3, STEPS, high)
    sent = net.eval()(inputs) * 64 * net[-1].neuron.w_scale
    ours = network.record(inputs)[network.synaptic_blocks()[-1].name].movedim(1, -1)
    assert torch.equal(sent, ours) and ours.any()
    return network


@pytest.mark.parametrize(
    "bias",
    [
        torch.tensor(0.25),
        torch.tensor([0.25]),
        torch.tensor([0.25, -0.5, 0.0, 1.0, 2.0, -3.0]).reshape(6, 1, 1),
        torch.tensor([0.25, -0.5, 0.0, 1.0, 2.0, -3.0]).reshape(6, 1, 1).expand(6, 8, 7),
        torch.tensor([[[0.5]]]),
    ],
)
def test_a_bias_is_taken_in_every_shape_that_stock_takes(bias):
    block = conv()
    block.neuron.set_bias(bias)
    network = assert_converts(movie_network(block))
    expected = bias.expand(6, 8, 7)[:, 0, 0]
    assert torch.equal(network.layers["conv1"].bias, expected)


def test_a_running_mean_is_a_bias():
    block = conv({"norm": MEAN_ONLY})
    # Rounded to multiples of 2 / 64: -0.25 is one, 0.3 becomes 0.3125.
    block.neuron.norm.running_mean = torch.tensor([0.25, -0.25, 0.0, -0.3, 1.0, -2.0])
    network = assert_converts(movie_network(block))
    assert network.layers["conv1"].bias.tolist() == [-0.25, 0.25, 0.0, 0.3125, -1.0, 2.0]
    block.neuron.bias.data, block.neuron.bias_is_set = torch.full((6, 1, 1), 0.5), True
    network = assert_converts(movie_network(block))
    assert network.layers["conv1"].bias.tolist() == [0.25, 0.75, 0.5, 0.8125, -0.5, 2.5]


def test_a_mean_that_was_learned_converts():
    torch.manual_seed(0)
    params = {**NEURON, "norm": MEAN_ONLY}
    net = movie_network(conv({"norm": MEAN_ONLY}))
    net[-1] = sigma_delta.Dense(params, 6 * 8 * 7, 4, weight_norm=True)
    for _ in range(3):
        net.train()(movies(SHAPE, 2, STEPS, 20))
    assert net[1].neuron.norm.running_mean.any() and net[-1].neuron.norm.running_mean.any()
    assert_converts(net)


def biased(values, run=False, **options):
    block = conv(**options)
    net = movie_network(block)
    if run:
        net(movies(SHAPE, 1, STEPS, 20))
    block.neuron.bias.data, block.neuron.bias_is_set = values, True
    return net


def reshaped(net):
    neuron = net[1].neuron
    neuron.bias.data = neuron.bias.data.flatten()[:6].reshape(6, 1, 1)
    neuron.bias_is_set = True


def rounded(net):
    neuron = net[1].neuron
    neuron.bias.data = (neuron.bias.data * 2**17).round() / 2**17


def remade(**options):
    def change(net):
        made = conv(**options)
        made.synapse.weight.data = net[1].synapse.weight.data.clone()
        net[1] = made

    return change


def attribute(path, value):
    def change(net):
        owner = net[1]
        *owners, name = path.split(".")
        for each in owners:
            owner = getattr(owner, each)
        setattr(owner, name, value(net) if callable(value) else value)

    return change


def batch_norm():
    net = movie_network(conv({"norm": lambda: nn.BatchNorm3d(6)}))
    norm = net[1].neuron.norm
    norm.running_mean = torch.tensor([0.25, -0.5, 0.0, 0.125, 0.0, 0.0])
    norm.running_var = torch.tensor([0.25, 4.0, 1.0, 1.0, 1.0, 1.0]) - norm.eps
    return net


def fold(net):
    """A standard deviation of 1/2 doubles weights and mean, one of 2 halves them."""
    deviation = torch.tensor([0.5, 2.0, 1.0, 1.0, 1.0, 1.0])
    made = conv({"norm": MEAN_ONLY})
    made.synapse.weight.data = net[1].synapse.weight.data / deviation.reshape(-1, 1, 1, 1, 1)
    made.neuron.norm.running_mean = net[1].neuron.norm.running_mean / deviation
    net[1] = made


def unquantized_mean():
    net = movie_network(conv({"norm": MEAN_ONLY}))
    net[1].neuron.norm.pre_hook_fx = lambda mean, descale=False: mean
    net[1].neuron.norm.running_mean = torch.tensor([0.25, -0.3, 0.0, 0.1, 0.0, 0.0])
    return net


def swapped(net):
    net[1], net[2] = net[2], net[1]


def append_dense(net):
    net.append(sigma_delta.Flatten())
    net.append(sigma_delta.Dense(dict(NEURON), 6 * 8 * 7, 4))


class OwnConv(sigma_delta.Conv):
    """A subclass that does nothing else."""


ADVICE = {
    "bias of another shape": (
        lambda: biased(torch.tensor([0.25, -0.5, 0.0, 1.0, 2.0, -3.0])),
        r"set block.neuron.bias.data = bias.reshape\(6, 1, 1\) and block.neuron.bias_is_set = True",
        reshaped,
    ),
    "bias of another shape after a pass": (
        lambda: biased(torch.tensor([0.25, -0.5, 0.0, 1.0, 2.0, -3.0]), run=True),
        r"set block.neuron.bias.data = bias.reshape\(6, 1, 1\) and block.neuron.bias_is_set = True",
        reshaped,
    ),
    "too many axes": (
        lambda: biased(torch.ones(6, 1, 1, 1)),
        r"bias of shape \(6, 1, 1, 1\); expected .*reshape\(6, 1, 1\)",
        reshaped,
    ),
    "bias of positions": (
        lambda: biased(torch.arange(7.0) / 4),
        r"bias of shape \(7,\), which differs between the positions of a channel: .*reshape\(6, 1, 1\)",
        reshaped,
    ),
    "bias between units": (
        lambda: biased(torch.tensor(0.1)),
        r"round it: block.neuron.bias.data = \(block.neuron.bias.data \* 2..17\).round\(\) / 2..17",
        rounded,
    ),
    "mean between units": (
        unquantized_mean,
        "let norm.pre_hook_fx be block.neuron.quantize_8bit",
        attribute("neuron.norm.pre_hook_fx", lambda net: net[1].neuron.quantize_8bit),
    ),
    "norm": (batch_norm, "fold what it multiplies by into the weights, .* a slayer.*MeanOnly", fold),
    "activation": (
        lambda: movie_network(conv({"activation": torch.tanh})),
        r"expected torch.nn.functional.relu, or torch.nn.Identity\(\)",
        attribute("neuron.activation", lambda net: nn.Identity()),
    ),
    "cumulative": (
        lambda: movie_network(conv({"cum_error": True})),
        "train with cum_error=False",
        remade(),
    ),
    "persistent": (
        lambda: movie_network(conv({"persistent_state": True})),
        "train with persistent_state=False",
        remade(),
    ),
    "shared": (
        lambda: movie_network(conv({"shared_param": False})),
        "train with shared_param=True",
        remade(),
    ),
    "delay": (lambda: movie_network(conv(delay=True)), "train with delay=False", remade()),
    "count log": (
        lambda: movie_network(conv(count_log=True)),
        "set block.count_log = False",
        attribute("count_log", False),
    ),
    "dropout": (
        lambda: movie_network(conv({"dropout": slayer.neuron.Dropout(0.1)})),
        "set block.neuron.drop = None",
        attribute("neuron.drop", None),
    ),
    "scale": (lambda: movie_network(conv({"scale": 100})), "train with scale=64", remade()),
    "quantiser": (
        lambda: movie_network(conv(pre_hook_fx=None)),
        "make the block without pre_hook_fx",
        remade(),
    ),
    "subclass": (
        lambda: movie_network(OwnConv(dict(NEURON), 2, 6, 3, padding=1)),
        "make it a sigma_delta.Conv itself",
        remade(),
    ),
    "spiking neurons": (
        lambda: movie_network(
            cuba.Conv({"threshold": 1, "current_decay": 1, "voltage_decay": 1}, 2, 6, 3, padding=1)
        ),
        "train the network with sigma_delta blocks throughout",
        remade(),
    ),
    "end": (
        lambda: nn.Sequential(*movie_network(conv())[:2]),
        "the last block must be a sigma_delta.Dense, whose neurons are the classes; add one",
        append_dense,
    ),
    "order": (
        lambda: nn.Sequential(*[movie_network(conv())[index] for index in (0, 2, 1, 3)])[:3].append(
            sigma_delta.Dense(dict(NEURON), 6 * 8 * 7, 4)
        ),
        "put it before the Flatten",
        swapped,
    ),
    "no encoder": (
        lambda: nn.Sequential(*movie_network(conv())[1:]),
        "with a dpap.slayer.sigma_delta.DeltaEncoder",
        lambda net: net.insert(0, DeltaEncoder(64, 128)),
    ),
    "late bias": (
        lambda: late_bias(),
        "Set delay_shift=False in the blocks before",
        attribute("delay_shift", False),
    ),
}


def late_bias():
    net = movie_network(conv(delay_shift=True))
    net[-1].neuron.set_bias(torch.full((4,), 0.5))
    return net


@pytest.mark.parametrize("case", ADVICE)
def test_the_advice_works(case):
    make, advice, change = ADVICE[case]
    torch.manual_seed(0)
    net = make()
    with pytest.raises(dpap.NetworkError, match=advice):
        dpap.from_slayer(net, SHAPE, STEPS, 20)
    change(net)
    assert_converts(net)


def test_an_input_beyond_the_limit_of_an_input_block_takes_the_encoder_that_is_named():
    net = movie_network(conv())
    net[0] = sigma_delta.Input({**NEURON, "threshold": 0.07})
    # 0.07 is rounded down to 4 / 64, which is 256 messages of 1 / 4096.
    with pytest.raises(
        dpap.NetworkError, match=r"use a dpap.slayer.sigma_delta.DeltaEncoder\(64, 128, 256\)"
    ):
        dpap.from_slayer(net, SHAPE, STEPS, 200)
    below = dpap.from_slayer(net, SHAPE, STEPS, 100)
    net[0] = DeltaEncoder(64, 128, 256)
    assert_converts(net, 200)
    inputs = movies(SHAPE, 3, STEPS, 100)
    assert torch.equal(below(inputs), dpap.from_slayer(net, SHAPE, STEPS, 100)(inputs))


def test_an_input_block_without_a_neuron_or_with_a_weight_is_applied_before():
    net = movie_network(conv())
    net[0] = sigma_delta.Input(dict(NEURON), weight=0.5)
    with pytest.raises(dpap.NetworkError, match="apply them to the input before"):
        dpap.from_slayer(net, SHAPE, STEPS, 20)
    net[0] = sigma_delta.Input(dict(NEURON))
    dpap.from_slayer(net, SHAPE, STEPS, 20)
