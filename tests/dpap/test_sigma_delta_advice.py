"""Biases and norms of stock sigma-delta blocks, and what refusals of such blocks say to do."""

import pytest
import torch
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba, sigma_delta
from stock import movies
from torch import nn

import dpap
from dpap.slayer.sigma_delta import SlayerDeltaEncoder

NEURON = {"threshold": 0.1, "activation": torch.nn.functional.relu}

SHAPE, STEPS = (2, 8, 7), 10

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
    return nn.Sequential(SlayerDeltaEncoder(64, 128), block, sigma_delta.Flatten(), last)


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
        "with a dpap.slayer.sigma_delta.SlayerDeltaEncoder",
        lambda net: net.insert(0, SlayerDeltaEncoder(64, 128)),
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
        dpap.NetworkError, match=r"use a dpap.slayer.sigma_delta.SlayerDeltaEncoder\(64, 128, 256\)"
    ):
        dpap.from_slayer(net, SHAPE, STEPS, 200)
    below = dpap.from_slayer(net, SHAPE, STEPS, 100)
    net[0] = SlayerDeltaEncoder(64, 128, 256)
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
