import copy

import pytest
import torch
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba
from stock import NEURON, StockNetwork, assert_same_spikes, excite, stock_record
from torch import nn

import deploy
import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint

SHAPE, STEPS = (2, 8, 7), 10


def stock_network(weight_norm=False, delay_shift=False, scales=(64, 64, 64), seed=0):
    torch.manual_seed(seed)
    options = {"weight_norm": weight_norm, "delay_shift": delay_shift}
    first, second, third = ({**NEURON, "scale": scale} for scale in scales)
    second |= {"threshold": 2.3, "current_decay": 1.0, "voltage_decay": 0.8}
    return StockNetwork(
        cuba.Input(delay_shift=False),
        cuba.Conv(first, 2, 6, 3, padding=1, **options),
        dpap.slayer.SumPool(2),
        cuba.Conv(second, 6, 5, 2, **options),
        cuba.Flatten(),
        cuba.Dense(third, 5 * 3 * 2, 4, **options),
    )


def events(high=1, samples=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, high + 1, (samples, *SHAPE, STEPS), generator=generator).float()
    return inputs * (torch.rand(inputs.shape, generator=generator) < 0.3)


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize("input_max", [1, 16])
def test_spikes_are_equal_in_every_layer(weight_norm, input_max):
    net = excite(stock_network(weight_norm), gain=1.5)
    first = net.blocks[1].synapse
    (first.weight_g if weight_norm else first.weight).data.div_(input_max)
    before = copy.deepcopy(net.state_dict())
    network = dpap.from_slayer(net, SHAPE, STEPS, input_max)
    assert list(network.layers) == ["conv1", "pool1", "conv2", "flatten1", "fc1"]
    assert_same_spikes(network, net.blocks, events(input_max))
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.blocks[1].synapse.weight_norm_enabled is weight_norm


def test_each_block_keeps_its_scale_decays_and_threshold():
    net = excite(stock_network(scales=(16, 64, 128)), gain=2)
    network = dpap.from_slayer(nn.Sequential(*net.blocks), SHAPE, STEPS)
    blocks = network.synaptic_blocks()
    assert [block.integer_parameters()[1] for block in blocks] == [16, 64, 128]
    assert [block.integer_parameters()[2] for block in blocks] == [16, 147, 128]
    assert [block.neuron.voltage_keep for block in blocks] == [3891, 819, 3891]
    assert_same_spikes(network, net.blocks, events())


@pytest.mark.parametrize("weight_norm", [False, True])
def test_a_network_that_was_trained_converts_as_it_stands(weight_norm):
    net = excite(stock_network(weight_norm), gain=2).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    inputs, start = events(), net.blocks[1].synapse.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        (net(inputs).mean(2) - 0.3).square().mean().backward()
        optimizer.step()
    # Under weight norm torch's `weight` is now that of the pass before the last step.
    network = dpap.from_slayer(net, SHAPE, STEPS)
    assert network.training
    assert_same_spikes(network, net.blocks, inputs)
    assert not torch.equal(net.blocks[1].synapse.weight, start)


def test_delay_shift_only_delays():
    net = excite(stock_network(delay_shift=True), gain=2)
    network = dpap.from_slayer(net, SHAPE, STEPS)
    ours, theirs = network.record(events()), stock_record(net.blocks, events())
    for lag, (spikes, stock) in enumerate(zip(ours.values(), theirs, strict=True), start=1):
        assert stock[..., lag:].sum() > 0
        assert torch.equal(spikes.movedim(1, -1)[..., :-lag], stock[..., lag:])
        assert stock[..., :lag].sum() == 0


def test_masks_become_masks():
    net = excite(stock_network(), gain=2)
    kept = (torch.rand(net.blocks[1].synapse.weight.shape[:2]) < 0.7).float()[..., None, None, None]
    mask = kept.expand_as(net.blocks[1].synapse.weight)
    nn.utils.prune.custom_from_mask(net.blocks[1].synapse, "weight", mask)
    dense = torch.rand(4, 30) < 0.5
    net.blocks[5] = cuba.Dense(dict(NEURON), 30, 4, mask=dense, delay_shift=False)
    net.blocks[5].synapse.weight.data.abs_().mul_(3)
    network = dpap.from_slayer(net, SHAPE, STEPS)
    assert torch.equal(network.layers["conv1"].mask, kept[..., 0])
    assert torch.equal(network.layers["fc1"].mask, dense.float())
    assert 0 < kept.mean() < 1
    assert_same_spikes(network, net.blocks, events())


def test_the_lowest_weight_is_kept_and_compiles(tmp_path):
    net = nn.Sequential(cuba.Dense({**NEURON, "threshold": 2.0}, 2, 2, delay_shift=False))
    net[0].synapse.weight.data = torch.tensor([[9.0, -9.0], [1.0, -4.0]]).reshape(2, 2, 1, 1, 1)
    network = dpap.from_slayer(net, (2,), 4)
    assert network.layers["fc1"].integer_parameters()[0].tolist() == [[254, -256], [64, -256]]
    inputs = torch.randint(0, 2, (5, 2, 4), generator=torch.Generator().manual_seed(0)).float()
    assert_same_spikes(network, net, inputs)
    deploy.compile(network).save(tmp_path / "model.h5")
    recording = deploy.run(deploy.load(tmp_path / "model.h5"), inputs.movedim(-1, 1).numpy().astype("int64"))
    assert torch.equal(torch.from_numpy(recording.output).movedim(1, -1).float(), net(inputs))


def test_a_converted_network_learns_on():
    network = dpap.from_slayer(excite(stock_network(), gain=2), SHAPE, STEPS).train()
    network(events()).sum().backward()
    assert all(block.weight.grad.abs().sum() > 0 for block in network.synaptic_blocks())


def test_a_checkpoint_holds_a_converted_network_with_its_scales(tmp_path):
    network = dpap.from_slayer(stock_network(), SHAPE, STEPS).eval()
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    for name, compiled in (("ours", network), ("theirs", loaded.eval())):
        deploy.compile(compiled).save(tmp_path / name)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    for ours, theirs in zip(network.synaptic_blocks(), loaded.synaptic_blocks(), strict=True):
        assert (ours.scale, ours.neuron, ours.rounds) == (theirs.scale, theirs.neuron, theirs.rounds)


def dense(inputs=112, outputs=4, neuron=None, **options):
    return cuba.Dense({**NEURON, **(neuron or {})}, inputs, outputs, delay_shift=False, **options)


def conv(neuron=None, kernel=3, **options):
    return cuba.Conv({**NEURON, **(neuron or {})}, options.pop("inputs", 2), 4, kernel, **options)


def decaying(decay):
    block = conv()
    block.neuron.current_decay.data.fill_(decay)
    return block


def pruned_direction():
    block = dense(weight_norm=True)
    nn.utils.prune.l1_unstructured(block.synapse, "weight_v", 0.5)
    return block


def recurrent(neuron=None, **options):
    return cuba.Recurrent({**NEURON, **(neuron or {})}, 112, 4, delay_shift=False, **options)


def stale():
    block = recurrent(weight_norm=True)
    block.recurrent_synapse.weight_g.data.mul_(2)
    return block


def halving():
    block = conv({"norm": slayer.neuron.norm.WgtScaleBatchNorm})
    block.neuron.norm.running_var.fill_(3.0)
    return block


def unquantized():
    block = conv({"norm": slayer.neuron.norm.MeanOnlyBatchNorm})
    block.neuron.norm.pre_hook_fx = lambda mean, descale=False: mean
    block.neuron.norm.running_mean = torch.tensor([0.25, 0.3, 0.0, 0.0])
    return block


def far_delay():
    block = conv(delay=True)
    block.delay.max_delay, block.delay.init = None, True
    block.delay.delay.data = torch.tensor([0.0, 1.0, 63.0, 2.0])
    return block


REFUSALS = {
    "winners": (lambda: cuba.KWTA(dict(NEURON), 4, 4, 1), r"block 1 \(cuba.KWTA\).*use cuba.Recurrent"),
    "affine": (lambda: cuba.Affine(dict(NEURON), 4, 4), r"block 1 \(cuba.Affine\) has no counterpart"),
    "not a block": (lambda: nn.Linear(2, 2), r"block 1 \(Linear\) has no counterpart: use cuba.Conv"),
    "other neurons": (
        lambda: slayer.block.alif.Dense(
            {**NEURON, "threshold_step": 0.5, "threshold_decay": 0.1, "refractory_decay": 0.1}, 112, 4
        ),
        r"block 1 \(alif.Dense\) has no counterpart: its neurons are of another kind: .* cuba blocks",
    ),
    "input with neurons": (lambda: cuba.Input(dict(NEURON)), r"block 1 \(cuba.Input\) has neurons"),
    "no flatten": (lambda: dense(), r"block 1 \(cuba.Dense\).*\(2, 8, 7\): put a Flatten before"),
    "recurrent": (lambda: recurrent(), r"block 1 \(cuba.Recurrent\).*\(2, 8, 7\): put a Flatten before"),
    "whole planes": (lambda: dense((7, 8, 2)), r"block 1 \(cuba.Dense\) takes \(W, H, C\)"),
    "channels": (lambda: conv(inputs=3), r"takes 3 channels; its input here is \(2, 8, 7\)"),
    "large kernel": (lambda: conv(kernel=9), r"block 1 .*its window is larger than its input: 9"),
    "window": (lambda: dpap.slayer.SumPool(8), r"block 1 \(SumPool\): its pool: its window is larger"),
    "padding": (lambda: dpap.slayer.MaxPool(2, 1, 2), r"block 1 \(MaxPool\): .*padding of 2"),
    "mixing pool": (lambda: cuba.Pool(dict(NEURON), 3), r"8 rows \(2 more of zeros\).* one channel into the"),
    "overlap": (lambda: cuba.Pool(dict(NEURON), 2, stride=1), "vertical stride of 1 .* one channel into the"),
    "pool padding": (
        lambda: cuba.Pool(dict(NEURON), 2, padding=1),
        "vertical padding of 1, SLAYER's windows",
    ),
    "pool dilation": (lambda: cuba.Pool(dict(NEURON), 2, dilation=2), r"its dilation is \(2, 2\)"),
    "norm": (lambda: conv({"norm": lambda: nn.BatchNorm3d(4)}), "has a norm of type BatchNorm3d.*fold"),
    "dividing norm": (halving, "WgtScaleBatchNorm, which divides currents by 2: .*MeanOnlyBatchNorm"),
    "fraction": (unquantized, "bias of its MeanOnlyBatchNorm is -19.2 integer units"),
    "dropout": (lambda: conv({"dropout": nn.Dropout(0.1)}), "its dropout is a Dropout; expected slayer"),
    "high dropout": (lambda: conv({"dropout": slayer.neuron.Dropout(0.99)}), "a dropout of 0.99; expected"),
    "far delay": (far_delay, "a delay is 63 steps; Loihi has at most 62"),
    "delayed input": (lambda: slayer.axon.Delay(), r"block 1 \(Delay\) delays the input"),
    "own parameters": (lambda: conv({"shared_param": False}), "channel's own.*shared_param=True"),
    "persistent": (lambda: conv({"persistent_state": True}), "persists.*persistent_state=False"),
    "graded": (lambda: conv({"graded_spike": True}), "graded spikes.*graded_spike=False"),
    "count_log": (lambda: conv(count_log=True), "count_log=True.*count_log=False"),
    "scale": (lambda: conv({"scale": 100}), "scale is 100; .*powers of two"),
    "no threshold": (lambda: conv({"threshold": 0.01}), "threshold is 0, 0 at scale 64; expected at least"),
    "large threshold": (lambda: conv({"threshold": 100}), "threshold of 100 .*float32"),
    "decay": (lambda: decaying(5000), "current_decay is 5000/4096"),
    "quantizer": (lambda: conv(pre_hook_fx=lambda weight: weight), "pre_hook_fx is not"),
    "dtype": (lambda: conv().double(), "weights are torch.float64; expected float32"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_has_no_counterpart_is_refused(case):
    make, message = REFUSALS[case]
    with pytest.raises(dpap.NetworkError, match=message):
        dpap.from_slayer(nn.Sequential(cuba.Input(), make(), cuba.Flatten(), dense()), SHAPE, STEPS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: dense(mask=torch.ones(4, 112), weight_norm=True),
            "mask= that SLAYER ignores under weight_norm",
        ),
        (pruned_direction, r"block 1 \(cuba.Dense\).*pre-hook of type L1Unstructured"),
        (stale, r"block 1 \(cuba.Recurrent\): .*out of date: .*disable_weight_norm"),
        (
            lambda: recurrent({"norm": slayer.neuron.norm.MeanOnlyBatchNorm}),
            "a norm, whose mean .* recurrent neuron keeps: use current_decay=1",
        ),
        (lambda: recurrent({"dropout": slayer.neuron.Dropout(0.1)}), "dropout, .* again in every step"),
    ],
)
def test_dense_blocks_that_cannot_be_read_are_refused(make, message):
    net = nn.Sequential(cuba.Flatten(), make())
    with pytest.raises(dpap.NetworkError, match=message):
        dpap.from_slayer(net, SHAPE, STEPS)


def test_currents_without_a_bound_run_until_one_leaves_its_range():
    # 112 inputs, weights of -128, and currents that keep everything: 14,336 a step, so that 10 steps
    # can bring 143,360, and half of them half of it. Wrapped, the last is 262,144 - 143,360 = 118,784, more
    # than the threshold of 40 x 64 in a voltage that keeps nothing.
    neuron = {"threshold": 40.0, "current_decay": 0.0, "voltage_decay": 1.0}
    net = nn.Sequential(cuba.Flatten(), dense(neuron=neuron))
    net[1].synapse.weight.data.fill_(-2.0)
    network = dpap.from_slayer(net, SHAPE, 10).eval()
    half = torch.zeros(1, *SHAPE, 10)
    half.flatten(1, -2)[:, ::2] = 1
    assert not network(half).any()
    with pytest.raises(
        dpap.ActivationOverflow, match=r"fc1: the current of neuron 0 is -143360 .* at step 9"
    ):
        network(torch.ones(1, *SHAPE, 10))
    with network.overflowing("wrap"):
        assert network(torch.ones(1, *SHAPE, 10))[0, 0].tolist() == [0] * 9 + [1]


def test_learning_beyond_the_bound_is_refused():
    network = dpap.from_slayer(nn.Sequential(cuba.Flatten(), dense()), SHAPE, STEPS, 16)
    network.layers["fc1"].weight.data.fill_(4.0)
    with pytest.raises(dpap.ActivationOverflow, match=r"fc1: the current of .* below 131072 .*dpap.quantize"):
        network(events(16))
    network.layers["fc1"].weight.data[0, 0] = float("nan")
    with pytest.raises(dpap.NetworkError, match="fc1: a weight is not finite"):
        network(events(16))


def test_chains_that_are_none_are_refused():
    with pytest.raises(dpap.NetworkError, match=r"block 1 \(cuba.Flatten\).*remove it"):
        dpap.from_slayer(nn.Sequential(cuba.Flatten(), cuba.Flatten(), dense()), SHAPE, STEPS)
    with pytest.raises(dpap.NetworkError, match=r"last block must be a cuba.Dense or cuba.Recurrent"):
        dpap.from_slayer(nn.Sequential(conv()), SHAPE, STEPS)
    with pytest.raises(dpap.NetworkError, match=r"last block must be a cuba.Dense or cuba.Recurrent"):
        dpap.from_slayer(nn.Sequential(), SHAPE, STEPS)
    with pytest.raises(dpap.InputError, match=r"this is a Linear; expected .*stock SLAYER blocks"):
        dpap.from_slayer(nn.Linear(2, 2), (2,), STEPS)
    with pytest.raises(dpap.NetworkError, match="time_steps is 0"):
        dpap.from_slayer(nn.Sequential(dense()), (112,), 0)
