import copy
import math

import pytest
import torch
from factories import firing_network
from handmade_layers import HandmadeLayer, HandmadeNetwork
from lava.lib.dl.slayer.block import cuba
from mild_structure import MILD, QUICK
from stock import NEURON, StockNetwork, excite

import dpap
from dpap.data import load_digits
from dpap.pruning.neurotrophic import count_alive, gain, least_important
from dpap.pruning.regeneration import growth_strength, percentile_of_growth, strongest
from dpap.training import rate_loss


class Block(HandmadeLayer, torch.nn.Module):
    """A layer by hand whose weight is a parameter."""

    def __init__(self, name, weight, **attributes):
        torch.nn.Module.__init__(self)
        HandmadeLayer.__init__(self, name, weight, **attributes)
        values, mask = self.weight, self.mask
        del self.weight, self.mask
        self.weight = torch.nn.Parameter(values)
        self.register_buffer("mask", mask)


def by_hand(config=QUICK):
    """Two layers; fc1 has four neurons with three synapses."""
    weight = torch.arange(1.0, 13).view(4, 3) / 10
    network = HandmadeNetwork(Block("fc1", weight), Block("fc2", torch.ones(2, 4)))
    return network, dpap.SDSNN(network, config)


def test_the_growth_of_the_pruning_rate_by_hand():
    # Convolutions: exp(-x / 5). Dense: 0.5 exp(-x), from x = 24 on 0.0005.
    conv, dense = dpap.SDSNNConfig().conv, dpap.SDSNNConfig().dense
    assert gain(10, conv.gain, conv.gain_decay) == math.exp(-2)
    constants = dense.gain, dense.gain_decay, dense.late_gain, dense.late_from
    assert [gain(x, *constants) for x in (0, 2, 24, 99)] == [0.5, 0.5 * math.exp(-2), 0.0005, 0.0005]


def test_neurons_that_count_as_alive():
    # Remaining weights, 9 a kernel: 18, 9, 0; 27 were possible.
    alive = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.bool)
    assert [count_alive(alive, 9, least) for least in (1, 9, 10, 20)] == [2, 2, 1, 0]
    assert count_alive(torch.ones(3, 1, dtype=torch.bool), 9, 20) == 3, "it cannot have more than 9"


def test_the_least_important_by_hand():
    importance = torch.tensor([3.0, 1.0, 2.0, 1.0])
    assert least_important(importance, 74.9).tolist() == [1, 3]
    assert least_important(importance, 300).tolist() == [1, 3, 2, 0]
    assert least_important(importance, 24.9).tolist() == []


def test_the_percentile_of_growth_by_hand():
    assert percentile_of_growth(0, 65, 1.1, 99) == 66
    assert percentile_of_growth(10, 60, 1.1, 99) == pytest.approx(60 + 2.5937424601)
    assert percentile_of_growth(50, 65, 1.1, 99) == 99
    assert percentile_of_growth(10**6, 65, 1.1, 99) == 99


def test_growth_signals_by_hand():
    # Over a kernel of two: |1| + |-3| = 4, or what a step makes positive: -1 + 3 = 2.
    gradient = torch.tensor([[[[1.0, -3.0]]]])
    assert growth_strength(gradient).tolist() == [[4.0]]
    assert growth_strength(gradient, excitatory=True).tolist() == [[2.0]]
    # Of four, the strongest 50 % are two; of equals at the limit none.
    assert strongest(torch.tensor([[1.0, 4.0], [2.0, 3.0]]), 50).tolist() == [[False, True], [False, True]]
    assert not strongest(torch.ones(2, 2), 50).any()


def test_importance_by_hand():
    _network, pruner = by_hand()
    layer = pruner.layers["fc1"]
    # Widths 2, 1, 1 | 2, 2, 2 | 0, 0, 1 | 0, 2, 1, over 0 to 2: halves; one synapse is pruned.
    layer.ranges.upper = torch.tensor([[1, 0.5, 0.5], [1, 1, 1], [0, 0, 0.5], [0, 1, 0.5]])
    layer.ranges.lower = -layer.ranges.upper
    layer.synapse_alive[1, 2] = False
    assert layer.importance().tolist() == [2.0, 2.0, 0.5, 1.5]


def test_neurons_go_by_importance_and_once():
    _network, pruner = by_hand()
    layer = pruner.layers["fc1"]
    layer.ranges.upper = torch.tensor([4.0, 1, 2, 3])[:, None].expand(4, 3).clone()
    layer.ranges.lower = -layer.ranges.upper
    layer.percent = 25.0
    layer.prune_neurons()
    assert layer.neuron_alive.tolist() == [True, False, True, True]
    layer.prune_neurons()
    assert layer.pruned == 1, "the pruned are among the lowest percentage"
    layer.percent = 50.0
    layer.prune_neurons()
    assert layer.neuron_alive.tolist() == [True, False, False, True]
    # Regrown with one synapse it is of little importance, but has had its turn: the lowest are 2 and 1.
    layer.synapse_alive[1, 0] = layer.neuron_alive[1] = True
    layer.prune_neurons()
    assert layer.neuron_alive.tolist() == [True, True, False, True]
    # The floor: one neuron at least, whatever the percentage.
    layer.percent = 100.0
    layer.prune_neurons()
    # Two were alive; neuron 1 stays as it was pruned once, and the floor is met without the others.
    assert layer.neuron_alive.tolist() == [False, True, False, False]


def test_the_floor_of_neurons():
    _, pruner = by_hand(QUICK.model_copy(update={"floor": dpap.FloorConfig(neurons=2)}))
    layer = pruner.layers["fc1"]
    layer.ranges.upper = torch.tensor([4.0, 1, 2, 3])[:, None].expand(4, 3).clone()
    layer.ranges.lower = -layer.ranges.upper
    layer.percent = 100.0
    layer.prune_neurons()
    assert layer.neuron_alive.tolist() == [True, False, False, True]


def test_a_synapse_comes_back_after_more_than_the_patience():
    network, pruner = by_hand()
    layer = pruner.layers["fc1"]
    layer.synapse_alive[2, :2] = False
    strong = torch.zeros(4, 3)
    strong[2, 0] = 1.0
    for epoch, alive in enumerate((False, True)):
        # Patience 1: the second epoch in a row.
        layer.gradient.copy_(strong)
        layer.regenerate(50, None)
        assert bool(layer.synapse_alive[2, 0]) == alive, epoch
    assert network.handmade[0].weight[2].tolist() == [0.0, pytest.approx(0.8), pytest.approx(0.9)]
    assert not layer.synapse_alive[2, 1]
    assert layer.regrown == 1


def test_growth_has_to_persist_and_a_pruned_source_has_none():
    _network, pruner = by_hand()
    layer = pruner.layers["fc1"]
    layer.synapse_alive[2, :2] = False
    weak, strong = torch.zeros(4, 3), torch.zeros(4, 3)
    strong[2, 0] = strong[2, 1] = 1.0
    received = torch.tensor([True, False, True])
    for gradient in (strong, weak, strong):
        layer.gradient.copy_(gradient)
        layer.regenerate(50, received)
    assert not layer.synapse_alive[2, :2].any()
    layer.regenerate(50, received)
    assert layer.synapse_alive[2].tolist() == [True, False, True]


def test_a_neuron_comes_back_with_one_synapse():
    network, pruner = by_hand()
    layer = pruner.layers["fc1"]
    layer.neuron_alive[3] = False
    layer.synapse_alive[3] = False
    pruner.epoch = 3
    pruner.apply_masks()
    # Silent and not counted, but open to the error that is its growth signal.
    assert network.handmade[1].mask[:, 3].tolist() == [1, 1]
    assert pruner.masks["fc2"][:, 3].tolist() == [False, False]
    assert pruner.pruning_rate == pytest.approx((3 + 2) / 20)
    layer.gradient[3, 1] = 1.0
    layer.regenerate(50, None)
    layer.regenerate(50, None)
    assert layer.neuron_alive[3]
    assert pruner.masks["fc1"][3].tolist() == [False, True, False]


def test_the_order_of_an_epoch():
    config = dpap.SDSNNConfig(patience=2, dense=MILD)
    network, pruner = by_hand(config)
    weight = network.handmade[0].weight
    layer = pruner.layers["fc1"]
    with torch.no_grad():
        weight.mul_(2)
    pruner.after_epoch()
    # Epoch 0 sets the ranges: 2.4.
    assert layer.ranges.upper.unique().tolist() == [pytest.approx(2.4)]
    with torch.no_grad():
        weight[0, 0] = 3.0
    pruner.after_epoch()
    pruner.after_epoch()
    # Beyond in two epochs in a row: out to 3; not clamped until an epoch past the patience.
    assert layer.ranges.upper[0, 0].item() == pytest.approx(3.0)
    with torch.no_grad():
        weight[0, 0] = 5.0
    pruner.after_epoch()
    assert weight[0, 0].item() == pytest.approx(3.0)
    assert not pruner.regenerating
    pruner.after_epoch()
    assert pruner.regenerating, "past 2 N"
    assert pruner.pruning_rate == 0


def test_the_rate_adapts_to_the_targets():
    dense = dpap.StructureConfig(
        pruning_percent=0, gain=1.0, gain_decay=5, growth_percentile=50, alive_weights=3
    )
    _network, pruner = by_hand(dpap.SDSNNConfig(patience=1, dense=dense))
    pruner.epoch = 4
    pruner.layers["fc1"].synapse_alive[0, 0] = False
    pruner.after_epoch()
    # x = 4 - 2 - 1 = 1; three of fc1's neurons have 3 weights, both of fc2's: exp(-0.2) * 3 / 2.
    assert pruner.layers["fc1"].percent == pytest.approx(math.exp(-0.2) * 1.5)


def test_the_authors_slip_is_an_option():
    assert not dpap.SDSNNConfig.authors_code().constrain_convolutions
    assert dpap.SDSNNConfig().constrain_convolutions
    for constrained in (True, False):
        network = firing_network("4C3-6FC-3FC", (1, 4, 4), 2).train()
        pruner = dpap.SDSNN(network, dpap.SDSNNConfig(patience=1, constrain_convolutions=constrained))
        pruner.after_epoch()
        for block in network.synaptic_blocks():
            block.weight.data *= 0.5
        pruner.after_epoch()
        # All weights shrank: all ranges are 0.75 of what they were, unless they are left.
        factors = {
            name: pruner.layers[name].ranges.upper / (2 * network.layers[name].weight.detach().abs().max())
            for name in ("conv1", "fc1")
        }
        assert factors["conv1"].unique().tolist() == pytest.approx([0.75 if constrained else 1.0])
        assert factors["fc1"].unique().tolist() == pytest.approx([0.75])


def gradients(network, pruner, batch, labels):
    pruner.epoch = 2 * pruner.config.patience + 1
    rate_loss(network(batch), labels).backward()
    return {name: layer.gradient.clone() for name, layer in pruner.layers.items()}


def digits(count=64):
    split = load_digits()[0]
    return torch.from_numpy(split.inputs[:count]).float(), torch.from_numpy(split.labels[:count])


def test_the_growth_signal_is_the_gradient_behind_the_mask():
    batch, labels = digits()
    network = firing_network("6C3-AP2-20FC-10FC", (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.SDSNN(network, QUICK)
    signal = gradients(network, pruner, batch, labels)
    for name in ("conv1", "fc1"):
        # Nothing is pruned yet, so that it is the weight's own gradient.
        torch.testing.assert_close(signal[name], network.layers[name].weight.grad)
        assert isinstance(network.layers[name].weight, torch.nn.Parameter)
    assert signal["fc2"].abs().sum() == 0, "the output layer is left as it is"
    reference = network.layers["fc1"]
    pruner.layers["fc1"].synapse_alive[:, ::2] = False
    pruner.apply_masks()
    network.zero_grad()
    for layer in pruner.layers.values():
        layer.gradient.zero_()
    signal = gradients(network, pruner, batch, labels)["fc1"]
    assert (reference.weight.grad[:, ::2] == 0).all()
    assert signal[:, ::2].abs().sum() > 0
    # Where a synapse is alive it is the gradient that the optimiser sees.
    torch.testing.assert_close(signal[:, 1::2], reference.weight.grad[:, 1::2])
    # A zero weight behind an open mask is the same network: its plain gradient is the signal.
    with torch.no_grad():
        reference.weight.mul_(reference.mask)
        reference.mask.fill_(1)
    pruner.remove()
    network.zero_grad()
    rate_loss(network(batch), labels).backward()
    torch.testing.assert_close(reference.weight.grad, signal)


def test_a_wholly_pruned_neuron_has_a_growth_signal():
    batch, labels = digits()
    network = firing_network("6C3-AP2-20FC-10FC", (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.SDSNN(network, QUICK)
    layer = pruner.layers["fc1"]
    layer.neuron_alive[4] = False
    layer.synapse_alive[4] = False
    pruner.apply_masks()
    assert network.record(batch)["fc1"][..., 4].sum() == 0
    assert gradients(network, pruner, batch, labels)["fc1"][4].abs().sum() > 0


def test_a_pass_that_fails_or_is_not_wanted_leaves_the_block_as_it_was():
    batch, _labels = digits(8)
    network = firing_network("4C3-6FC-10FC", (1, 8, 8), 2, input_max=16).train()
    pruner = dpap.SDSNN(network, QUICK)
    network(batch).sum().backward()
    assert pruner.layers["fc1"].gradient.abs().sum() == 0, "before 2 N"
    pruner.epoch = 9
    block = network.layers["fc1"]
    weight, mask = block.weight, block.mask
    with pytest.raises(RuntimeError):
        block(torch.zeros(2, 3, 5))
    assert block.weight is weight
    assert block.mask is mask
    pruner.remove()
    network(batch).sum().backward()
    assert pruner.layers["fc1"].gradient.abs().sum() == 0, "removed"


def test_stock_slayer_blocks_grow_too():
    torch.manual_seed(0)
    neuron = {**NEURON, "current_decay": 1.0, "voltage_decay": 0.8}
    net = excite(StockNetwork(cuba.Dense(neuron, 12, 8), cuba.Dense(neuron, 8, 3)), gain=3).train()
    pruner = dpap.SDSNN(net, QUICK)
    pruner.layers["fc1"].synapse_alive[:, :6] = False
    pruner.apply_masks()
    pruner.epoch = 3
    net((torch.rand(4, 12, 6) < 0.5).float()).mean(2).sub(0.3).square().sum().backward()
    gradient = pruner.layers["fc1"].gradient
    assert gradient[:, :6].abs().sum() > 0
    torch.testing.assert_close(gradient[:, 6:], net.blocks[0].synapse.weight.grad[:, 6:])


def test_weight_norm_is_refused():
    net = StockNetwork(cuba.Dense(dict(NEURON), 4, 4, weight_norm=True), cuba.Dense(dict(NEURON), 4, 3))
    with pytest.raises(dpap.InputError, match="fc1: its weight is computed from others"):
        dpap.SDSNN(net)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patience": 0}, "patience"),
        ({"shrink": 1.5}, "shrink"),
        ({"growth_limit": 50}, "conv.growth_percentile is 65.0; at most growth_limit, 50"),
        ({"conv": {"pruning_percent": 101}}, "pruning_percent"),
        ({"growth_sign": "inhibitory"}, "growth_sign"),
        ({"no_such_name": 1}, "no_such_name"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dpap.SDSNNConfig(**change)


def test_layers_that_a_network_lacks_are_named():
    network, _ = by_hand()
    with pytest.raises(dpap.InputError, match="left_out names fc9"):
        dpap.SDSNN(network, dpap.SDSNNConfig(left_out=("fc9",)))
    with pytest.raises(dpap.InputError, match="layers names fc9"):
        dpap.SDSNN(network, dpap.SDSNNConfig(layers={"fc9": MILD}))


def test_a_state_that_does_not_fit_is_refused():
    _, pruner = by_hand()
    state = copy.deepcopy(pruner.state_dict())
    state["layers"]["fc1"]["ranges"]["upper"] = torch.ones(2, 2)
    with pytest.raises(dpap.InputError, match=r"fc1, ranges, upper has shape \(2, 2\)"):
        pruner.load_state_dict(state)
    with pytest.raises(dpap.InputError, match="SDSNN: the state has the unknown steering"):
        pruner.load_state_dict(pruner.state_dict() | {"steering": None})
