"""Schedules, floors, and layers left out."""

import pytest
import torch
from factories import firing_network
from handmade_layers import chain

import dpap
from dpap.pruning.floor import keep_highest

HARSH = dpap.SurvivalConfig(epsilon=2.0, protection=0.0, eta=50.0)


def harsh(**options):
    """Everything but the most important of a layer is pruned in the first epoch that prunes."""
    return dpap.DPAPConfig(importance="random", beta=1e-3, conv=HARSH, dense=HARSH, **options)


def after(config, epochs, sizes=(6, 8, 5, 3)):
    pruner = dpap.DPAP(chain(*sizes), config)
    for _ in range(epochs):
        pruner.after_epoch()
    return pruner


def test_nothing_is_pruned_before_the_warm_up_is_over():
    assert after(harsh(schedule={"warm_up": 3}), 3).pruning_rate == 0
    assert after(harsh(schedule={"warm_up": 3}), 4).pruning_rate > 0


def test_decay_counts_from_the_warm_up():
    # Epoch 2 with a warm-up of 2 is the first: F = gamma * beta + 1 * Delta.
    with_warm_up = after(harsh(schedule={"warm_up": 2}), 3)
    without = dpap.DPAP(chain(6, 8, 5, 3), harsh())
    for layer in without.layers.values():
        layer.importance.epochs = 2
    without.after_epoch()
    assert torch.equal(with_warm_up.layers["fc1"].neuron_survival, without.layers["fc1"].neuron_survival)


def test_nothing_is_pruned_once_frozen():
    network = firing_network("6C3-20FC-5FC", (1, 6, 6), 3, input_max=16).train()
    config = dpap.DPAPConfig(
        beta=1.0, schedule={"freeze": 2}, dense={"epsilon": 1.5, "protection": 1, "eta": 20}
    )
    pruner = dpap.DPAP(network, config)
    rates, survivals = [], []
    for epoch in range(5):
        network(torch.randint(0, 17, (6, 1, 6, 6), generator=torch.Generator().manual_seed(epoch)).float())
        pruner.after_batch()
        pruner.after_epoch()
        rates.append(pruner.pruning_rate)
        survivals.append(pruner.layers["fc1"].synapse_survival.clone())
    assert pruner.frozen
    assert 0 < rates[1] == rates[2] == rates[3] == rates[4]
    assert torch.equal(survivals[1], survivals[4])
    assert pruner.layers["fc1"].importance.threshold.batches == 2, "nor observed"


def test_a_layer_keeps_its_floor():
    floor = {"neurons": 2, "synapse_share": 0.25}
    pruner = after(harsh(floor=floor), 3)
    fc1, fc2 = pruner.layers["fc1"], pruner.layers["fc2"]
    assert (int(fc1.neuron_alive.sum()), int(fc2.neuron_alive.sum())) >= (2, 2)
    # 0.25 * 48 = 12 of fc1, 0.25 * 40 = 10 of fc2, between neurons that remain on both sides.
    assert pruner.masks["fc1"].sum() >= 12
    assert pruner.masks["fc2"].sum() >= 10
    assert pruner.pruning_rate > 0.5


@pytest.mark.parametrize("seed", range(6))
def test_a_layer_is_never_emptied_unless_asked(seed):
    # Neurons and synapses draw their importance apart, so that the last of them seldom meet.
    pruner = after(harsh(seed=seed), 4)
    assert all(mask.any() for mask in pruner.masks.values())
    emptied = after(harsh(seed=seed, floor={"neurons": 0, "synapses": 0}), 4)
    assert emptied.pruning_rate >= pruner.pruning_rate
    if seed == 0:
        assert any(not mask.any() for mask in emptied.masks.values())


def test_floors_by_number_and_share():
    layer = dpap.DPAP(chain(6, 8, 2)).layers["fc1"]
    assert dpap.FloorConfig().least_neurons(layer) == dpap.FloorConfig().least_synapses(layer) == 1
    # 0.3 * 8 = 2.4 and 0.3 * 48 = 14.4, rounded up.
    shares = dpap.FloorConfig(neuron_share=0.3, synapse_share=0.3)
    assert (shares.least_neurons(layer), shares.least_synapses(layer)) == (3, 15)
    assert dpap.FloorConfig(neurons=99).least_neurons(layer) == 8


def test_the_highest_ranked_of_the_units_to_prune_are_kept():
    to_prune = torch.tensor([True, True, False, True])
    rank = torch.tensor([-3.0, -1.0, 5.0, -1.0])
    assert keep_highest(to_prune, rank, 1).tolist() == [False, True, False, False]
    assert keep_highest(to_prune, rank, 2).tolist() == [False, True, False, True]
    assert keep_highest(to_prune, rank, 9).tolist() == [True, True, False, True]
    assert not keep_highest(to_prune, rank, -1).any()


def test_survival_of_kept_units_starts_again_from_zero():
    pruner = after(harsh(floor={"neuron_share": 1.0}), 1)
    layer = pruner.layers["fc1"]
    assert layer.neuron_alive.all()
    assert layer.neuron_survival.min() == 0


def test_layers_left_out_lose_only_synapses_of_pruned_neurons():
    pruner = after(harsh(left_out=("fc2",)), 2)
    fc1, fc2 = pruner.layers["fc1"], pruner.layers["fc2"]
    assert not fc1.neuron_alive.all()
    assert fc2.synapse_alive.all()
    assert torch.equal(pruner.masks["fc2"], fc1.neuron_alive.expand(5, -1))
