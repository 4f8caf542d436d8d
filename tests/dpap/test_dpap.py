import copy
from itertools import pairwise

import pytest
import torch
from factories import firing_network

import dpap
from dpap.plasticity.traces import spiking_trace

QUICK = dpap.DPAPConfig(
    beta=1.0,
    conv=dpap.SurvivalConfig(epsilon=1.2, protection=1.0, eta=10.0),
    dense=dpap.SurvivalConfig(epsilon=1.2, protection=1.0, eta=10.0),
)


def network_and_batch(notation="6C3-AP2-8C3-AP2-20FC-5FC", **options):
    network = firing_network(notation, (1, 8, 8), 4, input_max=16, **options)
    generator = torch.Generator().manual_seed(3)
    return network.train(), torch.randint(0, 17, (12, 1, 8, 8), generator=generator).float()


def epoch(network, pruner, batch, batches=2):
    for part in batch.chunk(batches):
        network(part)
        pruner.after_batch()
    pruner.after_epoch()


def test_plasticity_of_a_batch_is_equation_7_on_the_recorded_spikes():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    spikes = network.record(batch)
    pruner.after_batch()
    traces = {name: spiking_trace(s.transpose(0, 1), 4, 0.5) for name, s in spikes.items()}
    pooled = torch.nn.functional.avg_pool2d(spikes["conv1"].flatten(0, 1), 2).unflatten(0, (12, 4))
    pre = spiking_trace(pooled.transpose(0, 1), 4, 0.5)
    post = traces["conv2"]
    expected = torch.einsum("np,nq->pq", post * (post - post.mean(0)), pre)
    torch.testing.assert_close(pruner.layers["conv2"].importance.synapses(), expected)
    # The first layer's input, in real units: x / 16, the same at each of four steps: 1 + 1/2 + 1/4 + 1/8.
    pre = batch.flatten(2).sum(2) / 16 * 1.875
    post = traces["conv1"]
    expected = torch.einsum("np,nq->pq", post * (post - post.mean(0)), pre)
    torch.testing.assert_close(pruner.layers["conv1"].importance.synapses(), expected)


@pytest.mark.parametrize(
    ("notation", "shape", "known"),
    [
        ("3C3-AP2-4C3-6FC-5FC", (1, 8, 6), True),
        ("3C3-4C3-6FC-5FC", (1, 5, 6), True),
        # A row, or a column, fills no window: its spikes are in conv1's traces and not in conv2's inputs.
        ("3C3-AP2-4C3-6FC-5FC", (1, 7, 6), False),
        ("3C3-AP3-4C3-6FC-5FC", (1, 6, 8), False),
    ],
)
def test_traces_of_a_source_are_taken_over_only_where_they_are_the_same(notation, shape, known):
    network = firing_network(notation, shape, 4, input_max=16).train()
    batch = torch.randint(0, 17, (6, *shape)).float()
    pruner = dpap.DPAP(network, QUICK)
    layer = pruner.layers["conv2"]
    assert (layer.source is not None) == known
    inputs = []
    network.layers["conv2"].observers.append(lambda summed, activity: inputs.append(summed))
    network(batch)
    pruner.after_batch()
    post = spiking_trace(network.record(batch)["conv2"].transpose(0, 1), 4, 0.5)
    pre = spiking_trace(inputs[0], 4, 0.5) / network.layers["conv2"].input_divisor
    expected = torch.einsum("np,nq->pq", post * (post - post.mean(0)), pre)
    assert expected.abs().max() > 0
    torch.testing.assert_close(layer.importance.synapses(), expected)


def test_an_epoch_sums_its_batches_and_starts_again():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    layer = pruner.layers["fc1"]
    network(batch[:6])
    pruner.after_batch()
    first = layer.importance.synapses().clone()
    network(batch[6:])
    pruner.after_batch()
    assert not torch.equal(layer.importance.synapses(), first)
    assert layer.importance.threshold.batches == 2
    pruner.after_epoch()
    assert layer.importance.synapses().abs().sum() == 0
    assert layer.importance.threshold.batches == 2, "the threshold remembers all batches since learning began"


def test_only_training_is_observed():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    network.eval()
    network(batch)
    pruner.after_batch()
    assert pruner.layers["fc1"].importance.threshold.batches == 0


def test_pruning_grows_and_nothing_comes_back():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    assert pruner.pruning_rate == 0
    rates, masks = [], []
    for _ in range(6):
        epoch(network, pruner, batch)
        rates.append(pruner.pruning_rate)
        masks.append([block.mask.clone() for block in network.synaptic_blocks()])
    assert 0.2 < rates[-1] < 1
    assert rates == sorted(rates)
    for before, after in pairwise(masks):
        assert all((a <= b).all() for a, b in zip(after, before, strict=True))


def test_what_is_pruned_is_what_has_a_negative_survival_function():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    for _ in range(3):
        epoch(network, pruner, batch)
    # Until a unit is pruned its survival function is never negative; then its importance counts no more.
    for layer in pruner.layers.values():
        if layer.prunable:
            assert (layer.synapse_survival[layer.synapse_alive] >= 0).all()
            assert (layer.neuron_survival[layer.neuron_alive] >= 0).all()
            assert (layer.synapse_survival[~layer.synapse_alive] < 0).any()


def test_masks_join_remaining_synapses_between_remaining_neurons():
    network, _ = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    conv1, conv2, fc1, fc2 = pruner.layers.values()
    conv1.neuron_alive[2] = False
    conv2.synapse_alive[4, 1] = False
    conv2.neuron_alive[3] = False
    fc1.synapse_alive[7, 0] = False
    fc1.neuron_alive[5] = False
    pruner.apply_masks()
    masks = {name: layer.block.mask.flatten(1) for name, layer in pruner.layers.items()}
    # conv1: 6 kernels, one channel gone. conv2: row 3 and column 2 of 8 x 6, and one kernel more.
    assert masks["conv1"].sum() == 5
    assert masks["conv2"].sum() == 7 * 5 - 1
    # fc1: 20 x 32 (8 channels of 2 x 2 positions); without row 5, channel 3 (four columns), one synapse.
    assert masks["fc1"][:, 12:16].sum() == 0
    assert masks["fc1"].sum() == 19 * 28 - 1
    # The output layer keeps its neurons but loses the synapses of neuron 5.
    assert masks["fc2"].sum() == 5 * 19
    assert fc2.neuron_alive.all()
    # By weights: 9 a kernel. 6*9 + 48*9 + 640 + 100 = 1226; left 45 + 34*9 + 531 + 95 = 977.
    assert pruner.pruning_rate == pytest.approx(1 - 977 / 1226)
    assert pruner.pruning_rates["conv2"] == pytest.approx(1 - 34 / 48)
    assert pruner.neurons_pruned == {
        "conv1": pytest.approx(1 / 6),
        "conv2": 1 / 8,
        "fc1": pytest.approx(0.05),
        "fc2": 0,
    }


def test_the_output_layer_is_not_pruned_by_itself():
    network, batch = network_and_batch("20FC-5FC".replace("20FC", "4C3-20FC"))
    pruner = dpap.DPAP(network, QUICK)
    for _ in range(4):
        epoch(network, pruner, batch)
    output = pruner.layers["fc2"]
    assert output.synapse_alive.all()
    alive = pruner.layers["fc1"].neuron_alive
    assert torch.equal(output.block.mask, alive.float().expand(5, -1))


def test_a_layer_is_never_emptied():
    # epsilon = 2: whatever is not the most important decays; the most important is protected.
    config = dpap.DPAPConfig(
        beta=0.1,
        conv=dpap.SurvivalConfig(epsilon=2.0, protection=1.0, eta=50.0),
        dense=dpap.SurvivalConfig(epsilon=2.0, protection=1.0, eta=50.0),
    )
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, config)
    for _ in range(5):
        epoch(network, pruner, batch)
    assert all(layer.neuron_alive.any() and layer.synapse_alive.any() for layer in pruner.layers.values())


def test_going_on_from_a_checkpoint_is_going_on():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    epoch(network, pruner, batch)
    network(batch[:5])
    pruner.after_batch()
    other, _ = network_and_batch()
    other.load_state_dict(network.state_dict())
    resumed = dpap.DPAP(other, QUICK)
    # What a layer keeps it keeps by itself: a copy, as a file would hold.
    resumed.load_state_dict(copy.deepcopy(pruner.state_dict()))
    for net, steward in ((network, pruner), (other, resumed)):
        for _ in range(3):
            epoch(net, steward, batch)
    assert resumed.pruning_rate == pruner.pruning_rate > 0
    for ours, theirs in zip(network.synaptic_blocks(), other.synaptic_blocks(), strict=True):
        assert torch.equal(ours.mask, theirs.mask)


def test_a_checkpoint_of_another_configuration_is_refused():
    network, _ = network_and_batch()
    state = dpap.DPAP(network, QUICK).state_dict()
    with pytest.raises(dpap.InputError, match="another DPAPConfig"):
        dpap.DPAP(network).load_state_dict(state)


def test_a_removed_pruner_observes_no_more():
    network, batch = network_and_batch()
    pruner = dpap.DPAP(network, QUICK)
    pruner.remove()
    network(batch)
    pruner.after_batch()
    assert pruner.layers["conv1"].importance.threshold.batches == 0


def test_anything_but_a_network_is_refused():
    with pytest.raises(dpap.InputError, match="this is a Linear"):
        dpap.DPAP(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    "change", [{"epsilon": 2.5}, {"eta": 0}, {"protection": float("inf")}, {"epsilon": -1}]
)
def test_constants_out_of_range_are_refused(change):
    constants = {"epsilon": 1.0, "protection": 1.0, "eta": 10.0}
    with pytest.raises(ValueError, match=next(iter(change))):
        dpap.SurvivalConfig(**(constants | change))


def test_the_papers_constants():
    config = dpap.DPAPConfig.paper()
    assert (config.trace_decay, config.gamma, config.beta) == (0.5, 0.999, 10.0)
    assert (config.conv.epsilon, config.conv.protection, config.conv.eta) == (0.65, 5.0, 12.0)
    assert (config.dense.epsilon, config.dense.protection, config.dense.eta) == (1.5, 2.0, 13.0)
    assert config.normalization == "minmax"
