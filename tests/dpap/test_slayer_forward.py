"""from_slayer runs a module's own forward, and refuses it where the blocks in a row give other spikes."""

import warnings

import pytest
import torch
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba, sigma_delta
from stock import NEURON, StockNetwork, excite
from torch import nn

import dpap
from dpap.blocks import Addition
from dpap.slayer.check import check_forward
from dpap.slayer.convert import convert
from dpap.slayer.evaluation import Call
from dpap.slayer.limits import leaves_limits
from dpap.slayer.sigma_delta import SlayerDeltaEncoder

STEPS = 10


def dense(inputs=8, outputs=8, **options):
    return cuba.Dense(dict(NEURON), inputs, outputs, **{"delay_shift": False} | options)


def three(kind=StockNetwork, gain=3.0, **options):
    torch.manual_seed(0)
    return excite(kind(dense(**options), dense(**options), dense(**options)), gain)


def forwards(run):
    """A network whose forward is ``run(blocks, inputs)``."""

    class Own(StockNetwork):
        def forward(self, activity):
            return run(self.blocks, activity)

    return Own


def residual(blocks, activity):
    first = blocks[0](activity)
    return blocks[2](first + blocks[1](first))


def in_place(blocks, activity):
    first = blocks[0](activity)
    second = blocks[1](first)
    second += first
    return blocks[2](second)


def at_every_step(blocks, activity):
    for block in blocks:
        activity = block(activity) * 1.0
    return activity


def failing(blocks, activity):
    raise RuntimeError("no such thing")


NOT_A_CHAIN = {
    "residual": (residual, r"block 2 \(cuba.Dense\) differs from fc3 .* neuron .*not the output of block 1"),
    "in place": (in_place, r"block 2 \(cuba.Dense\) .* its input is not the output of block 1"),
    "twice": (lambda b, x: b[2](b[1](b[1](b[0](x)))), r"block 1 \(cuba.Dense\) is called 2 times by Own"),
    "left out": (lambda b, x: b[2](b[0](x)), r"block 1 \(cuba.Dense\) is not called by Own's forward"),
    "order": (lambda b, x: b[2](b[0](b[1](x))), r"called in the order 1, 0, 2 by Own's forward"),
    "doubled input": (
        lambda b, x: b[2](b[1](b[0](2 * x))),
        r"block 0 .* its input is not the network's input",
    ),
    "reversed output": (
        lambda b, x: b[2](b[1](b[0](x))).flip(-1),
        r"all blocks agree, but the output of Own's forward differs from fc3 .* first in sample 0",
    ),
    "failure": (failing, r"Own's forward fails .*\(2, 8, 10\), RuntimeError: no such thing\. Mend it"),
}


@pytest.mark.parametrize("case", NOT_A_CHAIN)
@pytest.mark.parametrize("gain", [3.0, 1e-3])
def test_a_forward_that_is_no_chain_is_refused(case, gain):
    run, message = NOT_A_CHAIN[case]
    net = three(forwards(run), gain)
    if gain < 1:
        # All layers are silent: which block takes what is seen by random outputs of blocks alone.
        message = {
            "residual": r"block 2 \(cuba.Dense\): its input is not the output of block 1",
            "in place": r"block 2 \(cuba.Dense\): its input is not the output of block 1",
            "doubled input": r"block 0 \(cuba.Dense\): its input is not the network's input",
            "reversed output": r"the output of Own's forward is not that of block 2",
        }.get(case, message)
    with pytest.raises(dpap.NetworkError, match=message) as refused:
        dpap.from_slayer(net, (8,), STEPS)
    assert "check=False" in str(refused.value)
    unchecked = dpap.from_slayer(net, (8,), STEPS, check=False)
    chain = dpap.from_slayer(net.blocks, (8,), STEPS)
    inputs = (torch.rand(3, 8, STEPS) < 0.4).float()
    assert torch.equal(unchecked(inputs), chain(inputs))


def test_a_residual_forward_converts_as_a_graph():
    net = three(forwards(residual))
    graph = dpap.slayer.Graph([*net.blocks[:2], Addition(), net.blocks[2]], [(-1,), (0,), (0, 1), (2,)])
    network = dpap.from_slayer(graph, (8,), STEPS)
    inputs = (torch.rand(5, 8, STEPS) < 0.4).float()
    assert torch.equal(network(inputs), net(inputs)) and 0 < net(inputs).mean() < 1


@pytest.mark.parametrize("delay_shift", [False, True])
@pytest.mark.parametrize("steps", [1, STEPS])
def test_forwards_that_are_chains_are_taken(delay_shift, steps):
    options = {"delay_shift": delay_shift}
    for run in (
        at_every_step,
        lambda b, x: (torch.zeros(3), b[2](b[1](b[0](x))), None),
        lambda b, x: [b[2](b[1](b[0](x))), 0.5],
    ):
        dpap.from_slayer(three(forwards(run), **options), (8,), steps)
    net = three(**options)
    for chain in (net, net.blocks, nn.Sequential(*net.blocks)):
        dpap.from_slayer(chain, (8,), steps)


def test_a_residual_forward_of_late_blocks_is_refused_at_one_step():
    with pytest.raises(dpap.NetworkError, match="not the output of block 1"):
        dpap.from_slayer(three(forwards(residual), gain=6.0, delay_shift=True), (8,), 1)


def test_an_output_of_another_shape_is_not_compared_and_a_warning_says_so():
    net = three(forwards(lambda b, x: b[2](b[1](b[0](x))).mean(-1)))
    for gained in (1.0, 1e-3):
        for block in net.blocks:
            block.synapse.weight.data.mul_(gained)
        with pytest.warns(dpap.ConversionWarning, match=r"gives a tensor of \(2, 8\), which is not"):
            dpap.from_slayer(net, (8,), STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", dpap.ConversionWarning)
        dpap.from_slayer(net, (8,), STEPS, check=False)


class Counting(StockNetwork):
    """With a state of its own, as forward passes leave it."""

    def __init__(self, *blocks):
        super().__init__(*blocks)
        self.passes, self.log = 0, []
        self.register_buffer("total", torch.zeros(1))

    def forward(self, activity):
        self.passes += 1
        self.log.append(activity.shape)
        self.total += activity.sum()
        return super().forward(activity)


def everything(net):
    """What a pass could change, as values."""
    found = {}
    for name, module in net.named_modules():
        for key, value in module.__dict__.items():
            if not isinstance(value, dict):
                found[name, key] = list(value) if isinstance(value, list) else value
        for key, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            found[name, key] = value.detach().clone()
    return found


def test_nothing_is_left_behind():
    torch.manual_seed(0)
    norm = slayer.neuron.norm.MeanOnlyBatchNorm
    net = excite(
        Counting(
            cuba.Conv({**NEURON, "norm": norm}, 2, 6, 3, delay_shift=False, weight_norm=True),
            cuba.Pool(dict(NEURON), 2, delay_shift=False, delay=True),
            cuba.Flatten(),
            slayer.neuron.Dropout(0.3),
            cuba.Recurrent(dict(NEURON), 24, 8, delay_shift=False),
            cuba.Dense({**NEURON, "dropout": slayer.neuron.Dropout(0.2)}, 8, 4, mask=torch.rand(4, 8) < 0.6),
        )
    ).train()
    net.blocks[0].eval()
    net.blocks[1].delay.delay.data = torch.tensor([-1.0])
    for passes in (0, 1):
        if passes:
            # Now recurrent neurons have states, delays are drawn, and the weight is no leaf.
            net((torch.rand(2, 2, 6, 6, STEPS) < 0.5).float()).sum().backward()
            assert net.blocks[4].neuron.voltage_state.abs().sum() > 0
        before = everything(net)
        grads = {name: p.grad for name, p in net.named_parameters()}
        hooks = {name: len(module._forward_hooks) for name, module in net.named_modules()}
        if not passes:
            assert net.blocks[1].delay.init is False
        states = []
        for check in (False, True):
            # Blocks of the new network are initialised before they get their weights.
            torch.manual_seed(1)
            dpap.from_slayer(net, (2, 6, 6), STEPS, check=check)
            states.append(torch.get_rng_state())
        after = everything(net)
        assert before.keys() == after.keys()
        for key, value in before.items():
            same = torch.equal(value, after[key]) if isinstance(value, torch.Tensor) else value == after[key]
            assert same, key
        assert torch.equal(*states)
        assert all(grads[name] is p.grad for name, p in net.named_parameters())
        assert hooks == {name: len(module._forward_hooks) for name, module in net.named_modules()}
    assert net.passes == len(net.log) == 1


def test_real_weights_differ_by_rounding_and_only_what_blocks_take_is_checked():
    for seed in range(3):
        torch.manual_seed(seed)
        blocks = [dense(pre_hook_fx=None) for _ in range(3)]
        dpap.from_slayer(excite(StockNetwork(*blocks)), (8,), STEPS)
        with pytest.raises(dpap.NetworkError, match=r"block 2 \(cuba.Dense\): its input is not the output"):
            dpap.from_slayer(forwards(residual)(*blocks), (8,), STEPS)
        with pytest.warns(dpap.ConversionWarning, match="forward gives Tensor|a tensor of"):
            dpap.from_slayer(forwards(lambda b, x: b[2](b[1](b[0](x))).sum(-1))(*blocks), (8,), STEPS)


def test_a_forward_that_fails_leaves_nothing_behind():
    net = three(forwards(failing)).train()
    before = everything(net)
    with pytest.raises(dpap.NetworkError, match="fails"):
        dpap.from_slayer(net, (8,), STEPS)
    after = everything(net)
    assert net.training and before.keys() == after.keys()


UNIT = {"threshold": 0.1, "activation": torch.nn.functional.relu}


def sigma_delta_blocks(delay_shift=False):
    torch.manual_seed(0)
    blocks = [sigma_delta.Input(dict(UNIT))]
    blocks += [sigma_delta.Dense(dict(UNIT), 8, 8, delay_shift=delay_shift) for _ in range(3)]
    for block in blocks[1:]:
        block.synapse.weight.data.add_(0.3 * block.synapse.weight.data.abs())
    return blocks


def sigma_delta_residual(blocks, activity):
    first = blocks[1](blocks[0](activity))
    return blocks[3](first + blocks[2](first))


@pytest.mark.parametrize("delay_shift", [False, True])
def test_sigma_delta_forwards_are_checked(delay_shift):
    blocks = sigma_delta_blocks(delay_shift)
    network = dpap.from_slayer(StockNetwork(*blocks), (8,), STEPS, 20)
    with pytest.raises(dpap.NetworkError, match=r"block 3 \(sigma_delta.Dense\) differs from fc3 .* block 2"):
        dpap.from_slayer(forwards(sigma_delta_residual)(*blocks), (8,), STEPS, 20)
    # Messages of an input of 1 are 2 / scale; the last of three late blocks is three steps late.
    inputs = torch.randint(0, 21, (3, 8, STEPS)).float()
    lag = 3 * delay_shift
    theirs = nn.Sequential(*blocks)(torch.nn.functional.pad(inputs, (0, lag)) * 2 / 64)[..., lag:]
    ours = network.record(inputs)["fc3"].movedim(1, -1)
    assert ours.any() and torch.equal(theirs * 64 * 64, ours)


def test_a_sigma_delta_bias_behind_late_blocks_is_refused():
    blocks = sigma_delta_blocks(True)
    blocks[2].neuron.set_bias(torch.full((8,), 1.0))
    with pytest.raises(dpap.NetworkError, match=r"block 2 .* has a bias and comes 1 steps late.*delay_shift"):
        dpap.from_slayer(nn.Sequential(*blocks), (8,), STEPS, 20)
    for block in blocks[1:]:
        block.delay_shift = False
    dpap.from_slayer(nn.Sequential(*blocks), (8,), STEPS, 20)


def test_activations_that_float32_does_not_hold_leave_what_blocks_take_to_be_checked():
    torch.manual_seed(0)
    unit = {"threshold": 0.1, "activation": torch.nn.functional.relu}
    sizes = [(64, 64), (64, 64), (64, 64), (64, 4)]
    blocks = [SlayerDeltaEncoder(64, 128), *(sigma_delta.Dense(dict(unit), *size) for size in sizes)]
    for block in blocks[1:]:
        block.synapse.weight.data.abs_().mul_(6)
    # With 20 the sums of the last layer pass 2**24; with 127 messages leave 24 bits, whatever the rate.
    for high in (20, 127):
        dpap.from_slayer(StockNetwork(*blocks), (64,), STEPS, high)
        with pytest.raises(
            dpap.NetworkError, match=r"block 3 \(sigma_delta.Dense\).* not the output of block 2"
        ):
            dpap.from_slayer(
                forwards(lambda b, x: b[4](b[3](b[2](b[1](b[0](x))) + 1)))(*blocks), (64,), STEPS, high
            )


def test_a_state_beyond_24_bits_leaves_what_blocks_take_to_be_checked(monkeypatch):
    monkeypatch.setattr("dpap.slayer.check.leaves_limits", lambda conversion, call: True)
    with pytest.raises(dpap.NetworkError, match=r"block 2 \(cuba.Dense\): its input is not the output of"):
        dpap.from_slayer(three(forwards(residual)), (8,), STEPS)
    net = three()
    conversion = convert(net, (8,), STEPS)
    conversion.network.layers["fc2"].weight.data.neg_()
    # Other spikes, which may come from the limits; the blocks follow each other as they should.
    check_forward(net, conversion)
    monkeypatch.undo()
    with pytest.raises(dpap.NetworkError, match="differs from fc2"):
        check_forward(net, conversion)


def test_states_beyond_24_bits_are_reported():
    block = cuba.Dense({**NEURON, "voltage_decay": 0.0, "current_decay": 1.0}, 1, 1, delay_shift=False)
    conversion = convert(nn.Sequential(block), (1,), 4)
    # A voltage of -4 n after n steps; 2**23 - 1 of its units of 1/4096 are just below 2048 = 512 * 4.
    for steps, beyond in ((511, False), (512, True)):
        drive = torch.full((1, 1, steps), -4.0)
        call = Call(0, (), drive, drive, drive)
        assert leaves_limits(conversion, call) is beyond
    assert block.neuron.shape is None
