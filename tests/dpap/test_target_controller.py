import copy

import pytest
import torch
from factories import firing_network
from handmade_layers import HandmadeLayer, HandmadeNetwork, chain
from hypothesis import given, settings
from hypothesis import strategies as st

import dpap
from dpap.pruning.survival import survival_update
from dpap.pruning.target_controller import cost_of


def learn(pruner, network, epochs, seed=0):
    """Epochs of noise that is not the same twice, and the pruning rate after each."""
    generator = torch.Generator().manual_seed(seed)
    rates = []
    for _ in range(epochs):
        batch = torch.randint(0, 17, (8, *network.input_shape), generator=generator).float()
        network(batch)
        pruner.after_batch()
        pruner.after_epoch()
        rates.append(pruner.pruning_rate)
    return rates


def target(**options):
    return dpap.DPAPConfig(normalization="percentile", target=dpap.TargetConfig(**options))


@pytest.mark.parametrize("notation", ["6C3-AP2-8C3-AP2-20FC-5FC", "40FC-5FC"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_pruning_rate_is_hit_within_two_points(notation, rate):
    network = firing_network(notation, (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.DPAP(network, target(pruning_rate=rate, epochs=14))
    rates = learn(pruner, network, 16)
    assert rates[13] == pytest.approx(rate, abs=0.02)
    assert rates[13:] == rates[13:14] * 3, "and stays"
    assert rates == sorted(rates)
    # Not by a cut at the end: half of it well before, and no leap in the last epoch.
    assert rates[9] > 0.5 * rate
    assert rates[13] - rates[12] < 0.05
    # Nor at once: the first decay.
    assert rates[5] == 0


@pytest.mark.parametrize("criterion", ["bcm", "hebb", "magnitude", "random"])
def test_every_criterion_reaches_the_same_rate(criterion):
    network = firing_network("6C3-AP2-20FC-5FC", (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.DPAP(
        network, dpap.DPAPConfig(importance=criterion, target={"pruning_rate": 0.6, "epochs": 8})
    )
    assert learn(pruner, network, 8)[-1] == pytest.approx(0.6, abs=0.02)


def test_after_a_warm_up_and_in_a_single_epoch():
    network = firing_network("40FC-5FC", (1, 8, 8), 4, input_max=16).train()
    config = dpap.DPAPConfig(
        target={"pruning_rate": 0.5, "epochs": 4}, schedule={"warm_up": 3}, normalization="percentile"
    )
    rates = learn(dpap.DPAP(network, config), network, 5)
    assert rates[:3] == [0, 0, 0]
    assert rates[3] == rates[4] == pytest.approx(0.5, abs=0.02)


def test_the_least_important_are_pruned():
    # Importance by |w|: weights 1 to 12 in a layer of 12 synapses; the output of 4 more is not pruned.
    network = chain(3, 4, 1)
    network.handmade[0].weight.copy_(torch.arange(1.0, 13).view(4, 3))
    config = dpap.DPAPConfig(
        importance="magnitude",
        target={"pruning_rate": 0.25, "epochs": 6},
        dense=dpap.SurvivalConfig(epsilon=1.5, protection=2, eta=13, neurons=False),
    )
    pruner = dpap.DPAP(network, config)
    for _ in range(6):
        pruner.after_epoch()
    # 0.25 * 16 = 4: the weights 1 to 4.
    assert network.handmade[0].mask.flatten().tolist() == [0] * 4 + [1] * 8


def test_path_by_hand():
    # Of 100 weights 60 are to be left by epoch 10, the first may be pruned after min(4, 10 // 2) = 4:
    # 60 + 40 * (1 - n)^3 with n = (e - 4) / 6.
    network = chain(10, 8, 2)  # 80 + 16 = 96 weights
    pruner = dpap.DPAP(network, target(pruning_rate=0.5, epochs=10, look_ahead=4))
    controller = pruner.controller
    controller.start = 96.0
    assert controller.path(4) == float("inf")
    assert controller.path(7) == pytest.approx(48 + 48 * 0.5**3)
    assert controller.path(10) == controller.path(30) == 48


@given(
    epsilon=st.floats(0, 2),
    beta=st.floats(0, 20),
    value=st.floats(0, 1),
    steps=st.integers(1, 9),
    epoch=st.integers(0, 9),
)
@settings(max_examples=60)
def test_a_critical_shift_is_where_a_unit_is_pruned(epsilon, beta, value, steps, epoch):
    dense = dpap.SurvivalConfig(epsilon=epsilon, protection=2, eta=13)
    config = dpap.DPAPConfig(dense=dense, floor={"neurons": 0, "synapses": 0})
    layer = dpap.DPAP(chain(1, 1, 1), config).layers["fc1"]
    layer.synapse_survival.fill_(beta)
    layer._normalized = torch.full((1, 1), value), torch.full((1,), value)
    critical = layer.critical_shifts(epoch, steps)[0].item()
    for distance, pruned in ((-0.01, False), (0.01, True)):
        survival = torch.full((1,), beta)
        for step in range(steps):
            survival = survival_update(
                survival,
                torch.full((1,), value),
                epoch + step,
                epsilon=epsilon + critical + distance,
                protection=2,
                eta=13,
                gamma=0.999,
            )
        assert (survival.item() < 0) == pruned


def test_cost_by_hand():
    # Two groups of two outputs with two inputs each, prices 1, 2 and 3, 4. Remaining: 1 + 2, 2; then 3, none.
    alive = torch.tensor([[1, 1], [0, 1], [1, 0], [0, 0]], dtype=torch.bool)
    price = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    assert cost_of({"conv1": alive}, {"conv1": price}) == 1 + 2 + 2 + 3


def test_synops_by_hand():
    # fc1 receives the network's input: graded values count once a step: (5, 0) and (0, 7), the first twice
    # over: 2 samples, T = 2, the same input at both: input 0 sends 2 and 0 (mean 1), input 1 0 and 2 (mean
    # 1). With three synapses each: 3 + 3. fc2 receives spikes: neuron 0 sends 3 in all, neuron 1 one: 1.5 and
    # 0.5 a sample, neuron 2 none; two synapses each: 4. Together 10.
    network = chain(2, 3, 2)
    first, second = network.handmade
    pruner = dpap.DPAP(network, target(synops=8.0, epochs=9))
    first.show(torch.tensor([[[5.0, 0.0], [0.0, 7.0]]]), torch.zeros(2, 2, 3))
    spikes = torch.tensor([[[1.0, 1, 0], [1, 0, 0]], [[1, 0, 0], [0, 0, 0]]])
    second.show(spikes, torch.zeros(2, 2, 2))
    pruner.after_batch()
    pruner.after_epoch()
    assert pruner.controller.cost == 10.0


def test_synops_of_a_convolution_by_hand():
    # A channel of 4 x 4 inputs to two of 2 x 2 outputs (no padding), 3 x 3 kernels. 16 spikes, each of which
    # meets 9 * 4 / 16 weights of a channel in the mean: 16 * 2.25 * 2 = 72. Exact, since all fire.
    block = HandmadeLayer(
        "conv1", torch.ones(2, 1, 3, 3), kind="conv", input_shape=(1, 4, 4), output_shape=(2, 2, 2)
    )
    network = HandmadeNetwork(block, HandmadeLayer("fc1", torch.ones(2, 8)))
    pruner = dpap.DPAP(network, target(synops=8.0, epochs=9))
    block.show(torch.ones(1, 1, 1, 4, 4), torch.zeros(1, 1, 2, 2, 2))
    pruner.after_batch()
    pruner.after_epoch()
    assert pruner.controller.cost == 72.0


def test_a_budget_of_synops_is_kept():
    network = firing_network("6C3-AP2-8C3-AP2-20FC-5FC", (1, 8, 8), 4, input_max=16).train()
    free = dpap.DPAP(network, target(synops=1e9, epochs=4))
    learn(free, network, 1)
    before = free.controller.cost
    free.remove()
    pruner = dpap.DPAP(network, target(synops=0.5 * before, epochs=10))
    learn(pruner, network, 14)
    assert free.pruning_rate == 0
    assert 0.3 * before < pruner.controller.cost <= 0.5 * before


def test_a_target_out_of_reach_is_refused():
    # The output layer has 100 of 740 weights, and loses at most 19 of 20 neurons' share.
    network = chain(32, 20, 5)
    with pytest.raises(dpap.InputError, match=r"target.pruning_rate is 0.9; at most 0.\d+ can be pruned"):
        dpap.DPAP(
            network,
            dpap.DPAPConfig(
                target={"pruning_rate": 0.9, "epochs": 9}, floor={"neuron_share": 0.5, "synapse_share": 0.2}
            ),
        )
    with pytest.raises(dpap.InputError, match=r"at most 0\.0000 can be"):
        dpap.DPAP(network, dpap.DPAPConfig(target={"pruning_rate": 0.1, "epochs": 9}, left_out=("fc1",)))


@pytest.mark.parametrize("goal", [{"pruning_rate": 0.6}, {"synops": 20000.0}])
def test_a_run_with_a_target_goes_on_from_its_state(goal):
    def make():
        network = firing_network("6C3-AP2-20FC-5FC", (1, 8, 8), 4, input_max=16).train()
        return network, dpap.DPAP(network, target(epochs=8, **goal))

    network, pruner = make()
    learn(pruner, network, 5)
    network(torch.ones(3, 1, 8, 8))
    pruner.after_batch()
    other, resumed = make()
    other.load_state_dict(network.state_dict())
    resumed.load_state_dict(copy.deepcopy(pruner.state_dict()))
    assert learn(pruner, network, 5, seed=1) == learn(resumed, other, 5, seed=1)
    assert (
        pruner.controller.state_dict()["steering"].tolist()
        == resumed.controller.state_dict()["steering"].tolist()
    )
