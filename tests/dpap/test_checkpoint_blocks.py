"""Networks that no notation describes: every block is described by its own fields."""

import pytest
import torch
from factories import change_sealed, firing_network
from torch import nn

import deploy
import dpap
from dpap import blocks
from dpap.checkpoint import load_checkpoint, save_checkpoint
from dpap.networks import Network
from dpap.networks.network import INPUT

LIF = dpap.LIF(voltage_decay=0.3)
OTHER = dpap.LIF(threshold=0.8, current_decay=0.5)


def branched():
    """Every block that spikes reach: two branches of other neurons, added and concatenated."""
    torch.manual_seed(0)
    layers = {
        "conv1": blocks.Conv("conv1", (1, 6, 6), 4, 3, LIF, 5, padding=(1, 1), stride=2, bias=True),
        "left": blocks.Conv("left", (4, 3, 3), 4, 1, OTHER, 5, groups=2, norm=True),
        "right": blocks.Conv("right", (4, 3, 3), 4, 1, LIF, 5, scale=64),
        "add": blocks.Addition(),
        "pool": blocks.SumPool((3, 2), stride=1),
        "flatten": blocks.Flatten(),
        "fc1": blocks.Dense("fc1", 8, 6, LIF, 5, input_bound=12, input_divisor=6),
        "delay": blocks.Delay(6, 4),
        "drop": blocks.Dropout(0.25),
        "rec": blocks.Recurrent("rec", 6, 5, LIF, 5, bias=True),
        "concat": blocks.Concatenation((6, 5)),
        "out": blocks.Dense("out", 11, 3, OTHER, 5),
    }
    sources = {
        "conv1": (INPUT,),
        "left": ("conv1",),
        "right": ("conv1",),
        "add": ("left", "right"),
        "pool": ("add",),
        "flatten": ("pool",),
        "fc1": ("flatten",),
        "delay": ("fc1",),
        "drop": ("delay",),
        "rec": ("drop",),
        "concat": ("fc1", "rec"),
        "out": ("concat",),
    }
    layers["rec"].rounds = True
    network = Network("by hand", (1, 6, 6), 5, 1, LIF, layers, sources)
    for block in network.synaptic_blocks():
        block.weight.data = 6 * (block.weight.data + 0.3 * block.weight.data.abs())
    layers["out"].weight_bits = 4
    return network.eval()


def pooled():
    layers = {
        "conv1": blocks.Conv("conv1", (1, 6, 6), 2, 3, LIF, 3),
        "pool1": blocks.SpikingPool("pool1", (2, 4, 4), 2, LIF, 3, extra=(0, 0)),
        "max": blocks.MaxPool(2),
        "flatten": blocks.Flatten(),
        "out": blocks.Dense("out", 2, 3, LIF, 3),
    }
    return Network("", (1, 6, 6), 3, 1, LIF, layers).eval()


def rectified():
    relu = dpap.ReLU()
    layers = {
        "encoder": blocks.DeltaEncoder(64, 8),
        "fc1": blocks.Dense("fc1", 5, 4, relu, 3, input_divisor=64, bias=True),
        "out": blocks.Dense("out", 4, 2, relu, 3, input_divisor=64),
    }
    return Network("", (5,), 3, 255, relu, layers).eval()


@pytest.mark.parametrize("make", [branched, pooled, rectified])
def test_a_network_made_by_hand_comes_back(tmp_path, make):
    network = make()
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, network)
    loaded, _ = load_checkpoint(path)
    assert [(name, repr(layer)) for name, layer in loaded.layers.items()] == [
        (name, repr(layer)) for name, layer in network.layers.items()
    ]
    assert loaded.sources == network.sources
    for ours, theirs in zip(network.synaptic_blocks(), loaded.synaptic_blocks(), strict=True):
        for name in (
            "neuron",
            "scale",
            "rounds",
            "weight_bits",
            "input_bound",
            "input_divisor",
            "time_steps",
        ):
            assert getattr(ours, name) == getattr(theirs, name)
    inputs = torch.randint(0, network.input_max + 1, (4, *network.input_shape, network.time_steps)).float()
    assert torch.equal(loaded.eval()(inputs), network(inputs))
    # Once more: what was read is written again as it was.
    save_checkpoint(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


class Own(nn.Module):
    def forward(self, inputs):
        return inputs


def test_a_block_of_another_kind_is_named(tmp_path):
    layers = {"own": Own(), "out": blocks.Dense("out", 5, 2, LIF, 3)}
    with pytest.raises(
        dpap.InputError, match=r"own is a test_checkpoint_blocks\.Own, which a checkpoint cann"
    ):
        save_checkpoint(tmp_path / "checkpoint.safetensors", Network("", (5,), 3, 1, LIF, layers))
    layers = {"out": blocks.Dense("other", 5, 2, LIF, 3)}
    with pytest.raises(dpap.InputError, match="out: the block's own name is 'other'"):
        save_checkpoint(tmp_path / "checkpoint.safetensors", Network("", (5,), 3, 1, LIF, layers))


@pytest.mark.parametrize(
    ("layer", "field", "value", "message"),
    [
        (0, "stride", [0, 1], "stride"),
        (0, "groups", 3, "groups do not divide"),
        (0, "kernel", [9, 9], "conv1"),
        (0, "input_bound", -1, "input_bound"),
        (0, "scale", 0, "scale"),
        (0, "input_divisor", 0, "input_divisor"),
        (0, "kind", "Linear", "kind"),
        (0, "name", "a.b", "name"),
        (0, "name", "", "name"),
        (0, "name", "keys", "cannot have the name 'keys'"),
        (1, "name", "conv1", "cannot have the name 'conv1'"),
        (1, "sources", ["out"], "left: the source 'out' is no layer before it"),
        (1, "sources", [], "sources"),
        (1, "sources", ["input", "conv1"], "left: "),
        (3, "window", 2, "add: a Addition is described by nothing more"),
        (4, "window", None, "pool: a SumPool is described by window, stride, padding"),
        (4, "window", 9, "pool"),
        (6, "inputs", 9, "fc1: takes other shapes"),
        (6, "inputs", 1 << 24, "fc1"),
        (7, "highest", 1 << 20, "delays of up to"),
        (7, "channels", [6], "the channels of a Delay are"),
        (8, "probability", 2.0, "a dropout of 2.0"),
        (10, "channels", [5, 6], "concat: takes other shapes"),
        (11, "neuron", {"type": "lif", "threshold": -1.0}, "neuron"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(tmp_path, layer, field, value, message):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, branched())

    def change(plain, _):
        plain["network"]["blocks"][layer][field] = value

    change_sealed(path, path, change)
    with pytest.raises(dpap.InputError, match=message):
        load_checkpoint(path)


def test_a_network_from_nir_comes_back(tmp_path):
    pytest.importorskip("nir")
    made = firing_network("4C3-AP2-6FC-3FC", (1, 6, 6), 4, input_max=3)
    deploy.export(deploy.compile(made), tmp_path / "network.nir", "nir")
    network = deploy.from_nir(tmp_path / "network.nir")
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    for name, compiled in (("ours", network), ("theirs", loaded)):
        deploy.compile(compiled.eval()).save(tmp_path / name)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
