"""What a refusal of from_slayer says to do works: done so, the network has the stock spikes."""

import pytest
import torch
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import alif, cuba
from stock import NEURON
from torch import nn

import dpap
from dpap.blocks import Addition

SHAPE, STEPS = (2, 8, 7), 10
norms = slayer.neuron.norm


def excited(block):
    """More excitation than inhibition, so that neurons fire."""
    names = ("synapse", "input_synapse", "recurrent_synapse")
    for synapse in (getattr(block, name) for name in names if hasattr(block, name)):
        weight = synapse.weight_v if synapse.weight_norm_enabled else synapse.weight
        weight.data = 2 * (weight.data + 0.3 * weight.data.abs())
        if synapse.weight_norm_enabled:
            synapse.weight_g.data *= 2
    return block


def dense(inputs=112, outputs=4, kind=cuba.Dense, neuron=None, **options):
    return excited(kind({**NEURON, **(neuron or {})}, inputs, outputs, **{"delay_shift": False} | options))


def conv(neuron=None, kernel=3, inputs=2, outputs=4, **options):
    options = {"delay_shift": False, "padding": 1} | options
    return excited(cuba.Conv({**NEURON, **(neuron or {})}, inputs, outputs, kernel, **options))


def head(inputs=4 * 8 * 7):
    """Ends a chain with spikes of four classes."""
    return [cuba.Flatten(), dense(inputs)]


def behind_conv(block):
    return [block, *head()]


def flat(block):
    return [cuba.Flatten(), block]


def first(change, place=0):
    """Change the block at a place as ``change`` does."""

    def changed(blocks):
        made = change(blocks[place])
        return [*blocks[:place], blocks[place] if made is None else made, *blocks[place + 1 :]]

    return changed


def setting(path, value, place=0):
    """Set what a dotted path names; a function is given the block."""

    def change(block):
        *owners, name = path.split(".")
        owner = block
        for each in owners:
            owner = getattr(owner, each)
        setattr(owner, name, value(block) if callable(value) else value)

    return first(change, place)


def with_weights_of(make):
    """Make a new block, with the weights that it has."""

    def change(block):
        made = make()
        made.synapse.weight.data = block.synapse.weight.data.float().clone()
        return made

    return change


def as_one_number_of_inputs(blocks):
    # (out, C, H, W, 1), as a Flatten orders its inputs.
    weight = blocks[0].synapse.weight.data
    made = dense(112)
    made.synapse.weight.data = weight.reshape(4, 112, 1, 1, 1)
    return [cuba.Flatten(), made]


def depthwise(block, **options):
    made = conv(inputs=2, outputs=2, kernel=block.synapse.kernel_size[:2], groups=2, padding=0, **options)
    made.synapse.weight.data = block.synapse.weight.data.expand_as(made.synapse.weight).clone()
    return made


def stale():
    block = dense(kind=cuba.Recurrent, weight_norm=True)
    block.recurrent_synapse.weight_g.data.mul_(0.5)
    return block


def pruned(name, amount=0.3, **options):
    block = dense(**options)
    nn.utils.prune.l1_unstructured(block.synapse, name, amount)
    return block


def normed(norm):
    block = conv({"norm": norm})
    if norm is norms.WgtScaleBatchNorm:
        # A running variance of 3 is divided by the square root, rounded up to a power of two: 2.
        block.neuron.norm.running_var.fill_(3.0)
        block.neuron.norm.running_mean = torch.tensor([0.25, -0.5, 0.0, 0.125])
    elif norm is norms.MeanOnlyBatchNorm:
        block.neuron.norm.pre_hook_fx = lambda mean, descale=False: mean
        block.neuron.norm.running_mean = torch.tensor([0.25, -0.3, 0.0, 0.1])
    else:
        block.neuron.norm.running_mean = torch.tensor([0.25, -0.5, 0.0, 0.125])
        block.neuron.norm.running_var = torch.tensor([0.25, 4.0, 1.0, 1.0]) - block.neuron.norm.eps
    return block


def folded(divisor):
    """Weights and running mean divided, and a norm that only subtracts."""

    def change(block):
        made = conv({"norm": norms.MeanOnlyBatchNorm})
        divided = torch.as_tensor(divisor, dtype=torch.float32)
        made.synapse.weight.data = block.synapse.weight.data / divided.reshape(-1, 1, 1, 1, 1)
        made.neuron.norm.running_mean = block.neuron.norm.running_mean / divided
        return made

    return change


def delayed(steps):
    block = conv(delay=True)
    block.delay.max_delay, block.delay.init = None, True
    block.delay.delay.data = torch.tensor(steps)
    return block


class OwnDense(cuba.Dense):
    """A subclass that does nothing else."""


def lateness(*late):
    blocks = [dense(8, 8, delay_shift=shift) for shift in (*late, False)]
    return dpap.slayer.Graph([*blocks[:2], Addition(), blocks[2]], [(-1,), (-1,), (0, 1), (2,)])


def set_in_time(net):
    for block in net.blocks:
        block.delay_shift = False
    return net


def mean_of(block):
    block.neuron.norm.running_mean = torch.tensor([-0.25, 0.5, 0.0, -0.125])
    return block


def late_bias():
    return [
        conv(delay_shift=True),
        cuba.Flatten(),
        mean_of(dense(224, neuron={"norm": norms.MeanOnlyBatchNorm})),
    ]


CASES = {
    "winners": (
        lambda: [cuba.Flatten(), cuba.KWTA(dict(NEURON), 112, 4, 1)],
        "use cuba.Recurrent, or cuba.Dense",
        lambda blocks: flat(dense()),
    ),
    "winners, recurrent": (
        lambda: [cuba.Flatten(), cuba.KWTA(dict(NEURON), 112, 4, 1)],
        "use cuba.Recurrent, or cuba.Dense",
        lambda blocks: flat(dense(kind=cuba.Recurrent)),
    ),
    "other": (
        lambda: [nn.MaxPool3d((2, 2, 1)), *head(24)],
        "use .*dpap.slayer.MaxPool",
        lambda blocks: [dpap.slayer.MaxPool(2), cuba.Flatten(), dense(2 * 4 * 3)],
    ),
    "other neurons": (
        lambda: flat(
            alif.Dense(
                {**NEURON, "threshold_step": 0.5, "threshold_decay": 0.1, "refractory_decay": 0.1}, 112, 4
            )
        ),
        "train the network with cuba blocks throughout",
        first(with_weights_of(dense), 1),
    ),
    "subclass": (
        lambda: flat(dense(kind=OwnDense)),
        "make it a cuba.Dense itself",
        first(with_weights_of(dense), 1),
    ),
    "several sources": (
        lambda: dpap.slayer.Graph([dense(8, 8), dense(8, 8)], [(-1,), (-1, 0)]),
        "only a dpap.blocks.Addition adds them up",
        lambda net: dpap.slayer.Graph([net.blocks[0], Addition(), net.blocks[1]], [(-1,), (-1, 0), (1,)]),
    ),
    "lags": (lambda: lateness(True, False), "set delay_shift=False", set_in_time),
    "flattened twice": (
        lambda: [cuba.Flatten(), cuba.Flatten(), dense()],
        "remove it",
        lambda blocks: blocks[1:],
    ),
    "no flatten": (lambda: [dense()], "put a Flatten before", lambda blocks: flat(blocks[0])),
    "whole planes": (
        lambda: [dense((7, 8, 2))],
        "put a Flatten before, and one number of inputs",
        as_one_number_of_inputs,
    ),
    "pool behind flatten": (
        lambda: [cuba.Flatten(), dpap.slayer.SumPool(2), dense(24)],
        "put it before the Flatten",
        lambda blocks: [blocks[1], blocks[0], blocks[2]],
    ),
    "conv behind flatten": (
        lambda: [cuba.Flatten(), conv(), dense(224)],
        "put it before the Flatten",
        lambda blocks: [blocks[1], blocks[0], blocks[2]],
    ),
    "channels": (
        lambda: behind_conv(conv(inputs=3)),
        "give one as many as the other",
        lambda blocks: behind_conv(conv()),
    ),
    "inputs": (
        lambda: flat(dense(100)),
        "give one as many as the other",
        lambda blocks: flat(dense(112)),
    ),
    "recurrent dropout": (
        lambda: flat(dense(kind=cuba.Recurrent, neuron={"dropout": slayer.neuron.Dropout(0.1)})),
        "set block.neuron.drop = None",
        setting("neuron.drop", None, 1),
    ),
    "recurrent norm": (
        lambda: flat(dense(kind=cuba.Recurrent, neuron={"norm": norms.MeanOnlyBatchNorm})),
        "use current_decay=1, or no norm",
        lambda blocks: flat(
            mean_of(
                dense(kind=cuba.Recurrent, neuron={"norm": norms.MeanOnlyBatchNorm, "current_decay": 1.0})
            )
        ),
    ),
    "no recurrent norm": (
        lambda: flat(dense(kind=cuba.Recurrent, neuron={"norm": norms.MeanOnlyBatchNorm})),
        "use current_decay=1, or no norm",
        setting("neuron.norm", None, 1),
    ),
    "pool dilation": (
        lambda: [cuba.Pool(dict(NEURON), 2, dilation=2), *head(2 * 3 * 2)],
        "use a cuba.Conv with groups",
        lambda blocks: [depthwise(blocks[0], stride=2, dilation=2), cuba.Flatten(), dense(2 * 3 * 3)],
    ),
    "overlapping pool": (
        lambda: [cuba.Pool(dict(NEURON), 2, stride=1), *head(2 * 7 * 6)],
        "Use a cuba.Conv with as many groups as channels",
        first(lambda block: depthwise(block, stride=1)),
    ),
    "late bias": (
        late_bias,
        "Set delay_shift=False in the blocks before",
        setting("delay_shift", False),
    ),
    "dropout": (
        lambda: behind_conv(conv({"dropout": nn.Dropout(0.1)})),
        "set block.neuron.drop = None",
        setting("neuron.drop", None),
    ),
    "sampling time": (
        lambda: behind_conv(
            first(lambda b: setattr(b.delay, "sampling_time", 2))([delayed([0.0, 4, 2, 6])])[0]
        ),
        "set it to 1, and delays in steps",
        first(lambda block: delayed([0.0, 2, 1, 3])),
    ),
    "number of delays": (
        lambda: behind_conv(delayed([0.0, 1, 2])),
        "give it one for each",
        first(lambda block: delayed([0.0, 1, 2, 3])),
    ),
    "far delay": (
        lambda: behind_conv(delayed([0.0, 1, 63, 2])),
        "set its max_delay = 62",
        setting("delay.max_delay", 62),
    ),
    "batch norm": (
        lambda: behind_conv(normed(lambda: nn.BatchNorm3d(4))),
        "fold what it multiplies by into the weights, .*subtracts into a .*MeanOnlyBatchNorm",
        first(folded([0.5, 2.0, 1.0, 1.0])),
    ),
    "dividing norm": (
        lambda: behind_conv(normed(norms.WgtScaleBatchNorm)),
        "Divide the weights, and let a slayer.neuron.norm.MeanOnlyBatchNorm have its running_mean",
        first(folded(2.0)),
    ),
    "fraction": (
        lambda: behind_conv(normed(norms.MeanOnlyBatchNorm)),
        "let norm.pre_hook_fx be neuron.quantize_8bit",
        setting("neuron.norm.pre_hook_fx", lambda block: block.neuron.quantize_8bit),
    ),
    "end": (lambda: [conv()], "add one", lambda blocks: behind_conv(blocks[0])),
    "other neuron": (
        lambda: flat(
            first(lambda b: setattr(b, "neuron", slayer.neuron.rf.Neuron(1.0, 10, 0.1)))([dense()])[0]
        ),
        "make a new block, as a cuba block",
        first(with_weights_of(dense), 1),
    ),
    "count log": (
        lambda: behind_conv(conv(count_log=True)),
        "set block.count_log = False",
        setting("count_log", False),
    ),
    "own decays": (
        lambda: behind_conv(conv({"shared_param": False})),
        "train with shared_param=True",
        first(with_weights_of(conv)),
    ),
    "persistent": (
        lambda: behind_conv(conv({"persistent_state": True})),
        "set block.neuron.persistent_state = False",
        setting("neuron.persistent_state", False),
    ),
    "graded": (
        lambda: behind_conv(conv({"graded_spike": True})),
        "train with graded_spike=False",
        first(with_weights_of(conv)),
    ),
    "scale": (
        lambda: behind_conv(conv({"scale": 100})),
        "train with scale=64",
        first(with_weights_of(lambda: conv({"scale": 64}))),
    ),
    "no threshold": (
        lambda: behind_conv(conv({"threshold": 0.01})),
        "at least 0.015625: train with a higher one",
        first(with_weights_of(lambda: conv({"threshold": 0.015625}))),
    ),
    "large threshold": (
        lambda: behind_conv(conv({"threshold": 100})),
        "set block.neuron.threshold_eps = 0.5 / block.neuron.s_scale",
        setting("neuron.threshold_eps", lambda block: 0.5 / block.neuron.s_scale),
    ),
    "large threshold, lowered": (
        lambda: behind_conv(conv({"threshold": 100})),
        "Lower the threshold",
        first(with_weights_of(lambda: conv({"threshold": 2}))),
    ),
    "decay": (
        lambda: behind_conv(first(lambda b: b.neuron.current_decay.data.fill_(5000) and None)([conv()])[0]),
        r"neuron.clamp\(\)",
        first(lambda block: block.neuron.clamp()),
    ),
    "pruned direction": (
        lambda: flat(pruned("weight_v", weight_norm=True)),
        "make it permanent and remove it",
        first(lambda block: nn.utils.prune.remove(block.synapse, "weight_v") and None, 1),
    ),
    "out of date": (
        lambda: flat(stale()),
        r"call block.recurrent_synapse.disable_weight_norm\(\)",
        first(lambda block: block.recurrent_synapse.disable_weight_norm(), 1),
    ),
    "mask under weight norm": (
        lambda: flat(dense(mask=torch.rand(4, 112) < 0.6, weight_norm=True)),
        r"call block.synapse.disable_weight_norm\(\)",
        first(lambda block: block.synapse.disable_weight_norm(), 1),
    ),
    "no mask under weight norm": (
        lambda: flat(dense(mask=torch.rand(4, 112) < 0.6, weight_norm=True)),
        "or make the block without mask",
        first(lambda block: dense(weight_norm=True), 1),
    ),
    "quantiser": (
        lambda: behind_conv(conv(pre_hook_fx=lambda weight: weight)),
        "make the block without pre_hook_fx",
        first(with_weights_of(conv)),
    ),
    "dtype": (
        lambda: [block.double() for block in behind_conv(conv())],
        r"network.float\(\)",
        lambda blocks: [block.float() for block in blocks],
    ),
}


def network_of(made):
    return nn.Sequential(*made) if isinstance(made, list) else made


@pytest.mark.parametrize("case", CASES)
def test_the_advice_works(case):
    make, advice, change = CASES[case]
    torch.manual_seed(0)
    made = make()
    shape = SHAPE if isinstance(made, list) else (8,)
    with pytest.raises(dpap.NetworkError, match=f"(?s): .*{advice}|; .*{advice}|{advice}"):
        dpap.from_slayer(network_of(made), shape, STEPS)
    net = network_of(change(made))
    network = dpap.from_slayer(net, shape, STEPS)
    inputs = (torch.rand(4, *shape, STEPS) < 0.4).float()
    recorded = network.record(inputs)
    assert torch.equal(network(inputs), net.eval()(inputs))
    if case != "large threshold":
        assert all(spikes.any() for spikes in recorded.values())


def test_the_input_of_an_input_block_with_neurons_is_its_spikes():
    torch.manual_seed(0)
    blocks = [cuba.Input({**NEURON, "threshold": 0.3}, delay_shift=False), *behind_conv(conv())]
    with pytest.raises(dpap.NetworkError, match="remove it, and take its spikes for the input"):
        dpap.from_slayer(nn.Sequential(*blocks), SHAPE, STEPS)
    inputs = torch.rand(3, *SHAPE, STEPS)
    network = dpap.from_slayer(nn.Sequential(*blocks[1:]), SHAPE, STEPS)
    assert network(blocks[0](inputs)).any()
    assert torch.equal(network(blocks[0](inputs)), nn.Sequential(*blocks)(inputs))


def test_an_input_that_is_delayed_is_delayed_before():
    torch.manual_seed(0)
    delay = slayer.axon.Delay()
    delay.init, delay.delay.data = True, torch.tensor([1.0, 3.0])
    blocks = [delay, *behind_conv(conv())]
    with pytest.raises(dpap.NetworkError, match="remove it, and delay the input before"):
        dpap.from_slayer(nn.Sequential(*blocks), SHAPE, STEPS)
    inputs = (torch.rand(3, *SHAPE, STEPS) < 0.4).float()
    network = dpap.from_slayer(nn.Sequential(*blocks[1:]), SHAPE, STEPS)
    assert network(delay(inputs)).any()
    assert torch.equal(network(delay(inputs)), nn.Sequential(*blocks)(inputs))


def test_real_weights_are_quantised_by_us():
    torch.manual_seed(0)
    net = nn.Sequential(*behind_conv(conv(pre_hook_fx=lambda weight: weight)))
    with pytest.raises(dpap.NetworkError, match="or with pre_hook_fx=None and quantise it"):
        dpap.from_slayer(net, SHAPE, STEPS)
    for block in (net[0], net[2]):
        block.synapse.pre_hook_fx = None
    network = dpap.from_slayer(net, SHAPE, STEPS)
    inputs = (torch.rand(4, *SHAPE, STEPS) < 0.4).float()
    quantized = dpap.quantize(network, inputs).network
    assert all(block.quantized for block in quantized.synaptic_blocks())
    assert quantized(inputs).any()
