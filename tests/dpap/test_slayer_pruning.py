import copy

import h5py
import pytest
import torch
from factories import firing_network
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba
from stock import NEURON, StockNetwork, assert_same_spikes, excite, stock_record
from torch import nn

import dpap

QUICK = dpap.DPAPConfig(
    beta=1.0,
    conv=dpap.SurvivalConfig(epsilon=1.2, protection=1.0, eta=10.0),
    dense=dpap.SurvivalConfig(epsilon=1.2, protection=1.0, eta=10.0),
)
SHAPE, STEPS = (1, 8, 8), 6


def stock_network(weight_norm=False, seed=0):
    torch.manual_seed(seed)
    options = {"weight_norm": weight_norm, "delay_shift": False}
    neuron = {**NEURON, "current_decay": 1.0, "voltage_decay": 0.8}
    net = StockNetwork(
        cuba.Conv(neuron, 1, 6, 3, padding=1, **options),
        cuba.Pool({**neuron, "threshold": 0.5}, 2, delay_shift=False),
        cuba.Conv(neuron, 6, 8, 3, padding=1, **options),
        dpap.slayer.SumPool(2),
        nn.Dropout(0.0),
        cuba.Flatten(),
        cuba.Dense(neuron, 32, 20, **options),
        cuba.Dense(neuron, 20, 5, **options),
    )
    return excite(net, gain=3).train()


def events(samples=12, high=1):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, high + 1, (samples, *SHAPE, STEPS), generator=generator).float()


def epoch(network, pruner, batch, optimizer=None):
    for part in batch.chunk(2):
        loss = network(part).mean(2).sub(0.3).square().mean()
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        pruner.after_batch()
    pruner.after_epoch()


def effective(layer):
    """The weights that the next forward pass multiplies with, (post, pre, kernel)."""
    synapse, used = layer.block.synapse, []
    convolve = nn.functional.conv3d
    try:
        nn.functional.conv3d = lambda inputs, weight, *rest: (
            used.append(weight) or convolve(inputs, weight, *rest)
        )
        synapse(torch.zeros(1, synapse.in_channels, 8, 8, 1))
    finally:
        nn.functional.conv3d = convolve
    return used[0].flatten(2)


@pytest.mark.parametrize("weight_norm", [False, True])
def test_masks_hold_in_every_pass_while_the_network_learns(weight_norm):
    net = stock_network(weight_norm)
    pruner = dpap.DPAP(net, QUICK)
    assert list(pruner.layers) == ["conv1", "conv2", "fc1", "fc2"]
    assert pruner.pruning_rate == 0
    # Momentum and weight decay move a weight that has no gradient.
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.1)
    assert all(spikes.mean() > 0 for spikes in stock_record(net.blocks, events()))
    rates = []
    for _ in range(5):
        epoch(net, pruner, events(), optimizer)
        rates.append(pruner.pruning_rate)
        for layer in (layer.block for layer in pruner.layers.values()):
            mask = layer.mask.flatten(2)
            assert (effective(layer) * (1 - mask) == 0).all()
            assert (effective(layer) != 0).any()
    assert 0.1 < rates[-1] < 1
    assert rates == sorted(rates)
    output = pruner.layers["fc2"]
    assert output.synapse_alive.all()
    alive = pruner.layers["fc1"].neuron_alive.float()
    assert torch.equal(output.block.mask.flatten(1), alive.expand(5, -1))


def test_a_pruned_channel_is_silent():
    net = stock_network(weight_norm=True)
    pruner = dpap.DPAP(net, QUICK)
    assert stock_record(net.blocks, events())[0][:, 2].sum() > 0
    pruner.layers["conv1"].neuron_alive[2] = False
    pruner.apply_masks()
    for training in (True, False):
        net.train(training)
        assert stock_record(net.blocks, events())[0][:, 2].sum() == 0
    assert (pruner.layers["conv2"].block.mask[:, 2] == 0).all()
    assert pruner.neurons_pruned["conv1"] == pytest.approx(1 / 6)


def twins():
    network = firing_network("6C3-AP2-8C3-AP2-20FC-5FC", SHAPE, STEPS, input_max=16)
    stock = dpap.to_slayer(network)
    assert_same_spikes(network, stock, events(high=16))
    return network.train(), stock.train()


def test_the_same_spikes_give_the_same_masks_as_on_our_own_network():
    network, stock = twins()
    ours, theirs = dpap.DPAP(network, QUICK), dpap.DPAP(stock, QUICK)
    for _ in range(5):
        # Ours chooses its scale anew for what is left; here its integers stay the twin's.
        for block in network.synaptic_blocks():
            block.mask.fill_(1)
        for layer in theirs.layers.values():
            layer.block.mask.fill_(1)
        epoch(network, ours, events(high=16))
        epoch(stock, theirs, events(high=16))
    assert 0.1 < ours.pruning_rate < 1
    assert ours.pruning_rates == theirs.pruning_rates
    for name, layer in ours.layers.items():
        assert torch.equal(layer.block.mask.flatten(), theirs.layers[name].block.mask.flatten())


def test_a_pruned_stock_network_converts_with_its_masks():
    blocks = [b for b in stock_network(True).blocks if type(b) not in (cuba.Pool, nn.Dropout)]
    blocks[4] = cuba.Dense({**NEURON, "threshold": 2.0}, 128, 20, delay_shift=False)
    net = nn.Sequential(*blocks).train()
    pruner = dpap.DPAP(net, QUICK)
    for _ in range(3):
        epoch(net, pruner, events())
    network = dpap.from_slayer(net, SHAPE, STEPS)
    assert pruner.pruning_rate > 0
    for block, layer in zip(network.synaptic_blocks(), pruner.layers.values(), strict=True):
        assert torch.equal(block.mask.flatten(), layer.block.mask.flatten())
    assert_same_spikes(network, net, events())


def test_going_on_from_a_state_is_going_on():
    net = stock_network()
    pruner = dpap.DPAP(net, QUICK)
    for _ in range(3):
        epoch(net, pruner, events())
    other = stock_network()
    resumed = dpap.DPAP(other, QUICK)
    other.load_state_dict(net.state_dict())
    resumed.load_state_dict(copy.deepcopy(pruner.state_dict()))
    for network, steward in ((net, pruner), (other, resumed)):
        for _ in range(2):
            epoch(network, steward, events())
    assert pruner.pruning_rate == resumed.pruning_rate > 0
    for name, layer in pruner.layers.items():
        assert torch.equal(layer.block.mask, resumed.layers[name].block.mask)


def blocks_of_every_kind():
    torch.manual_seed(0)
    neuron = {**NEURON, "norm": slayer.neuron.norm.MeanOnlyBatchNorm}
    options = {"delay_shift": False, "weight_scale": 4}
    return nn.Sequential(
        cuba.Conv(dict(neuron), 1, 6, (3, 2), stride=(1, 2), padding=1, dilation=2, delay=True, **options),
        slayer.neuron.Dropout(0.0),
        cuba.Conv(dict(neuron), 6, 8, 3, groups=2, weight_norm=True, **options),
        dpap.slayer.MaxPool((2, 1)),
        slayer.axon.Delay(max_delay=3),
        cuba.Flatten(),
        cuba.Recurrent(dict(NEURON), 32, 9, **options),
        cuba.Dense(dict(neuron), 9, 5, delay=True, **options),
    ).train()


def test_every_kind_of_block_can_be_observed_and_masked():
    net = blocks_of_every_kind()
    dpap.slayer.start_at_rest(net[6])
    inputs = events()
    net(inputs)
    layers = {layer.name: layer for layer in dpap.slayer.stock_layers(net)}
    assert {name: (layer.kind, layer.groups, layer.recurrent) for name, layer in layers.items()} == {
        "conv1": ("conv", 1, False),
        "conv2": ("conv", 2, False),
        "fc1": ("dense", 1, True),
        "fc2": ("dense", 1, False),
    }
    shapes = [tuple(layer.weight.shape[:2]) for layer in layers.values()]
    assert shapes == [tuple(layer.mask.shape[:2]) for layer in layers.values()]
    assert shapes == [(6, 1), (8, 3), (9, 41), (5, 9)]
    shown = {}
    ends = [
        layer.watch(lambda *seen, name=name: shown.update({name: seen})) for name, layer in layers.items()
    ]
    net(inputs)
    received, spikes = shown["fc1"]
    assert received.shape == (STEPS, 12, 41)
    assert torch.equal(received[1:, :, 32:], spikes[:-1])
    assert received[0, :, 32:].sum() == 0
    assert spikes[:-1].sum() > 0
    # A neuron without synapses is silent although its norm makes it fire.
    for name, layer in layers.items():
        layer.mask[1] = 0
        if layer.block.neuron.norm is not None:
            layer.block.neuron.norm.running_mean[1] = -9.0
        layer.mask[0, ::2] = 0
        shown.pop(name)
    for training in (True, False):
        net.train(training)
        recorded = stock_record(net, inputs, (cuba.Conv, cuba.Dense, cuba.Recurrent))
        assert [spikes[:, 1].sum().item() for spikes in recorded] == [0, 0, 0, 0]
        assert all(spikes.sum() > 0 for spikes in recorded[:3])
    assert [block.neuron.norm.bias[1].item() for block in (net[0], net[2], net[7])] == [0, 0, 0]
    for end in ends:
        end()
    shown.clear()
    net.train()(inputs)
    assert not shown


def test_masks_of_every_kind_of_block_become_ours():
    net = blocks_of_every_kind()
    dpap.slayer.start_at_rest(net[6])
    net(events())
    for layer in dpap.slayer.stock_layers(net):
        layer.mask.copy_(torch.rand(layer.mask.shape) < 0.6)
    net.eval()
    network = dpap.from_slayer(net, SHAPE, STEPS)
    for block, layer in zip(network.synaptic_blocks(), dpap.slayer.stock_layers(net), strict=True):
        assert torch.equal(block.mask.flatten(), layer.mask.flatten())
        assert 0 < block.mask.mean() < 1
    kinds = (cuba.Conv, cuba.Dense, cuba.Recurrent)
    assert_same_spikes(network, net, events(), kinds, fires=False)
    assert all(spikes.sum() > 0 for spikes in network.record(events()).values())
    assert_same_spikes(network, dpap.to_slayer(network), events(), kinds, fires=False)


def test_a_recurrent_block_learns_with_its_masks():
    net = nn.Sequential(
        cuba.Recurrent(dict(NEURON), 6, 5, delay_shift=False, weight_scale=4),
        cuba.Dense(dict(NEURON), 5, 3, delay_shift=False, weight_scale=4),
    )
    for synapse in (net[0].input_synapse, net[1].synapse):
        synapse.weight.data.abs_()
    dpap.slayer.start_at_rest(net[0])
    layer = dpap.slayer.stock_layers(net)[0]
    layer.mask[0, :2], layer.mask[1, -2:] = 0, 0
    net(torch.ones(4, 6, 5)).sum().backward()
    inputs, recurrent = net[0].input_synapse.weight.grad, net[0].recurrent_synapse.weight.grad
    assert inputs[0, :2].abs().sum() == recurrent[1, -2:].abs().sum() == 0
    assert inputs[0, 2:].abs().sum() > 0
    assert recurrent[:, :-2].abs().sum() > 0
    state = net.state_dict()
    assert state["0.input_synapse._pre_hook_fx.mask"].shape == (5, 11, 1, 1, 1)


def test_residual_networks_give_the_sources_of_each_layer():
    network = firing_network("6C3-AP2-8FC-Res(8FC|8RFC)-5FC", SHAPE, STEPS)
    stock = dpap.to_slayer(network)
    layers = [layer.name for layer in dpap.slayer.stock_layers(stock)]
    assert layers == ["conv1", "fc1", "fc2", "fc3", "fc4"]
    for name in layers:
        assert stock.sources_of(name) == network.sources_of(name)
    assert stock.sources_of("fc4") == ("fc2", "fc3")


def test_evaluation_and_a_removed_pruner_are_not_observed():
    net = stock_network()
    pruner = dpap.DPAP(net, QUICK)
    net.eval()
    net(events())
    net.train()
    pruner.layers["conv1"].neuron_alive[0] = False
    pruner.apply_masks()
    pruner.remove()
    net(events())
    pruner.after_batch()
    assert pruner.layers["conv1"].importance.threshold.batches == 0
    assert stock_record(net.blocks, events())[0][:, 0].sum() == 0, "masks stay"


def test_slayers_export_is_masked_after_an_update_without_a_pass(tmp_path):
    net = stock_network()
    pruner = dpap.DPAP(net, QUICK)
    net(events())
    pruner.layers["fc1"].synapse_alive[0, :7] = False
    pruner.apply_masks()
    with torch.no_grad():
        net.blocks[6].synapse.weight += 1
    with h5py.File(tmp_path / "net.net", "w") as file:
        net.blocks[6].export_hdf5(file)
        weight = file["weight"][:]
    assert (weight[0, :7] == 0).all()
    assert (weight[0, 7:] != 0).any()


def test_a_second_pruner_takes_over_the_mask():
    net = stock_network()
    dpap.DPAP(net, QUICK).remove()
    dpap.DPAP(net, QUICK)
    assert not isinstance(net.blocks[0].synapse.pre_hook_fx.quantize, dpap.slayer.MaskedQuantizer)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (lambda: [cuba.KWTA(dict(NEURON), 4, 4, 1)], r"block 0 \(cuba.KWTA\) cannot be pruned; use"),
        (
            lambda: [cuba.Recurrent(dict(NEURON), 4, 4, delay=True)],
            r"block 0 \(cuba.Recurrent\) delays its spikes, .*slayer.axon.Delay",
        ),
        (lambda: [nn.Linear(2, 2)], r"block 0 \(Linear\) cannot be pruned"),
        (lambda: [cuba.Dense(dict(NEURON), 4, 4, count_log=True)], "count_log=True"),
        (
            lambda: [cuba.Dense(dict(NEURON), 4, 4), cuba.Dense(NEURON, 6, 4)],
            r"block 1 \(cuba.Dense\) takes 6 inputs, .* no multiple of the 4",
        ),
        (lambda: [cuba.Flatten()], "no cuba.Conv, .* block to prune"),
    ],
)
def test_what_cannot_be_pruned_is_refused(blocks, message):
    with pytest.raises(dpap.NetworkError, match=message):
        dpap.DPAP(nn.ModuleList(blocks()))
