import pytest
import torch
from handmade_layers import HandmadeLayer, chain, steps

import dpap
from dpap.plasticity import Importance, criteria, criterion, find_criterion
from dpap.plasticity import importance as registry


def gathered(name, inputs, activity, post=1, pre=1, block=None, **options):
    """Importance of one layer after one batch of given activity."""
    config = dpap.DPAPConfig(importance=name, **options)
    block = block or HandmadeLayer("fc1", torch.ones(post, pre))
    measure = find_criterion(name)(block, config)
    length = len(activity)
    measure.gather(measure.summarize(inputs, length), measure.summarize(activity, length))
    return measure


def test_hebb_by_hand():
    # Traces of two steps, tau = 0.5: pre (1, 1) -> 1.5 and (0, 1) -> 1; post (1, 0) -> 0.5. 0.75, 0.5.
    measure = gathered("hebb", steps([1, 0], [1, 1]), steps([1], [0]), pre=2)
    assert measure.synapses().tolist() == [[0.75, 0.5]]
    # Eq. 11 with Hebb for BCM: trace 0.5 times 1.25.
    assert measure.neurons().tolist() == [0.625]


@pytest.mark.parametrize(
    ("pre", "post", "expected"),
    [
        # One pair, the presynaptic spike two steps before: 0.5**2; the other way round: -0.5**2.
        ((1, 0, 0), (0, 0, 1), 0.25),
        ((0, 0, 1), (1, 0, 0), -0.25),
        # In one step the presynaptic spike is the cause.
        ((0, 1, 0), (0, 1, 0), 1.0),
        # Pre at 1 and 2, post at 2: 0.5 + 1.
        ((1, 1, 0), (0, 1, 0), 1.5),
        # Pre at 2, post at 1 and 3: after 1: -0.5; before 3: 0.5.
        ((0, 1, 0), (1, 0, 1), 0.0),
    ],
)
def test_stdp_by_hand(pre, post, expected):
    measure = gathered("stdp", steps(*[[s] for s in pre]), steps(*[[s] for s in post]))
    assert measure.synapses().item() == expected


def test_stdp_takes_a_constant_input_and_sums_positions():
    # A constant input of 1 over two steps: trace 1, then 1.5. A channel fires at two positions in step 2:
    # 1.5 * 2 = 3; in step 1 no neuron had fired before.
    activity = torch.zeros(2, 1, 1, 1, 2)
    activity[1] = 1
    block = HandmadeLayer("conv1", torch.ones(1, 1, 3, 3), kind="conv")
    measure = gathered("stdp", torch.ones(1, 1, 1, 1, 1), activity, block=block)
    assert measure.synapses().item() == 3.0
    # The final trace is 2; eq. 11: 2 * 3.
    assert measure.neurons().item() == 6.0


def test_magnitude_by_hand():
    # Kernels |1| + |-2| = 3 and 0.5: 3, 0.5; the channel has 3.5.
    weight = torch.tensor([[[[1.0, -2.0]], [[0.5, 0.0]]]])
    block = HandmadeLayer("conv1", weight, kind="conv")
    measure = find_criterion("magnitude")(block, dpap.DPAPConfig())
    assert measure.synapses().tolist() == [[3.0, 0.5]]
    assert measure.neurons().tolist() == [3.5]
    block.weight[0, 1, 0, 1] = -4
    assert measure.synapses().tolist() == [[3.0, 4.5]], "the weights as they are now"


def test_random_is_drawn_anew_and_the_same_again():
    def draws(seed, name="fc1"):
        measure = find_criterion("random")(HandmadeLayer(name, torch.ones(3, 4)), dpap.DPAPConfig(seed=seed))
        first = measure.synapses(), measure.neurons()
        measure.new_epoch()
        return (*first, measure.synapses())

    first, neurons, second = draws(0)
    assert first.shape == (3, 4)
    assert neurons.shape == (3,)
    assert ((first >= 0) & (first < 1)).all()
    assert not torch.equal(first, second)
    assert torch.equal(second, draws(0)[2])
    assert not torch.equal(first, draws(1)[0])
    assert not torch.equal(first, draws(0, "fc2")[0])


def test_the_threshold_of_the_paper_is_one_a_neuron_and_has_the_batch_in_it():
    # Two samples with traces 1 and 3, pre 1: theta = 2; 1 * (1 - 2) + 3 * (3 - 2) = 2.
    pre, post = torch.ones(1, 2, 1), torch.tensor([[[1.0], [3.0]]])
    assert gathered("bcm", pre, post).synapses().item() == 2.0
    # Not yet in it: theta = 0: 1 + 9.
    assert gathered("bcm", pre, post, threshold_includes_batch=False).synapses().item() == 10.0


def test_thresholds_of_positions_in_the_batch():
    block = HandmadeLayer("fc1", torch.ones(1, 1))
    measure = find_criterion("bcm")(block, dpap.DPAPConfig(threshold="slot", threshold_includes_batch=False))
    ones = torch.ones(2, 1)
    # Position 1: 1 against 0, position 2: 3 against 0: 1 + 9.
    measure.gather(ones, torch.tensor([[1.0], [3.0]]))
    assert measure.synapses().item() == 10.0
    # 2 against 1: 2; 1 against 3: -2. Together 0 more. Means are then 1.5 and 2.
    measure.gather(ones, torch.tensor([[2.0], [1.0]]))
    assert measure.synapses().item() == 10.0
    assert measure.threshold.value.tolist() == [[1.5], [2.0]]
    # A smaller batch: 2.5 against 1.5: 2.5; position 2 stays. (1.5 * 2 + 2.5) / 3.
    measure.gather(ones[:1], torch.tensor([[2.5]]))
    assert measure.synapses().item() == 12.5
    assert measure.threshold.value.tolist() == [[pytest.approx(5.5 / 3)], [2.0]]
    # A larger one begins a third position at 0: 2 * 2 = 4, and positions that equal their means give nothing.
    post = torch.cat([measure.threshold.value, torch.tensor([[2.0]])])
    measure.gather(torch.ones(3, 1), post)
    assert measure.synapses().item() == pytest.approx(16.5)
    assert measure.threshold.counts.tolist() == [4, 3, 1]


def test_slots_that_include_the_batch():
    measure = find_criterion("bcm")(HandmadeLayer("fc1", torch.ones(1, 1)), dpap.DPAPConfig(threshold="slot"))
    # The first batch equals its means; then position 1: mean of 1 and 3 is 2: 3 * (3 - 2) = 3.
    measure.gather(torch.ones(1, 1), torch.tensor([[1.0]]))
    assert measure.synapses().item() == 0.0
    measure.gather(torch.ones(1, 1), torch.tensor([[3.0]]))
    assert measure.synapses().item() == 3.0


@pytest.mark.parametrize("name", ["bcm", "hebb", "stdp"])
def test_sums_of_an_epoch_are_reset_or_not(name):
    for reset in (True, False):
        measure = gathered(
            name,
            steps([1], [1]),
            steps([1], [1]),
            reset_each_epoch=reset,
            threshold="slot",
            threshold_includes_batch=False,
        )
        kept = measure.synapses().item(), measure.trace_sum.item()
        assert kept[0] != 0
        measure.new_epoch()
        assert (measure.synapses().item(), measure.trace_sum.item()) == ((0, 0) if reset else kept)


@pytest.mark.parametrize("name", ["bcm", "hebb", "stdp"])
def test_traces_divided_by_the_steps(name):
    # Spikes in both of two steps: trace 1.5, or 0.75 a step.
    measure = gathered(name, steps([1], [1]), steps([1], [1]), trace_per_step=True)
    assert measure.trace_sum.item() == 0.75


def test_spines_of_the_authors_code_by_hand():
    # Row sums -3, 4, 0.5: unit 0, 1, 0.5; traces 3, 2, 1: unit 1, 0.5, 0. Products 0, 0.5, 0.
    measure = find_criterion("bcm")(
        HandmadeLayer("fc1", torch.ones(3, 2)), dpap.DPAPConfig(spines="unit_product")
    )
    measure.total = torch.tensor([[1.0, -4.0], [2.0, 2.0], [0.0, 0.5]])
    measure.trace_sum = torch.tensor([3.0, 2.0, 1.0])
    assert measure.neurons().tolist() == [0.0, 0.5, 0.0]
    # Equals are 0.5.
    measure.trace_sum = torch.ones(3)
    assert measure.neurons().tolist() == [0.0, 0.5, 0.25]


@pytest.mark.parametrize("name", ["bcm", "hebb", "stdp"])
def test_groups_pair_within_themselves(name):
    # Four inputs and two outputs in two groups: output 0 receives inputs 0 and 1, output 1 inputs 2 and 3.
    torch.manual_seed(0)
    inputs, activity = (torch.rand(3, 5, 4) < 0.6).float(), (torch.rand(3, 5, 2) < 0.6).float()
    grouped = gathered(name, inputs, activity, block=HandmadeLayer("conv1", torch.ones(2, 2, 1, 1), groups=2))
    full = gathered(name, inputs, activity, post=2, pre=4).synapses()
    assert full.abs().max() > 0
    torch.testing.assert_close(grouped.synapses(), torch.stack([full[0, :2], full[1, 2:]]))


@pytest.mark.parametrize("name", criteria())
def test_every_criterion_prunes_and_goes_on_from_its_state(name):
    def make():
        config = dpap.DPAPConfig(
            importance=name, beta=0.5, dense=dpap.SurvivalConfig(epsilon=1.2, protection=1.0, eta=10.0)
        )
        network = chain(6, 8, 3)
        network.handmade[0].weight.copy_(torch.rand(8, 6, generator=torch.Generator().manual_seed(1)))
        return network, dpap.DPAP(network, config)

    def epoch(network, seed):
        generator = torch.Generator().manual_seed(seed)
        inputs = (torch.rand(4, 5, 6, generator=generator) < 0.5).float()
        activity = (torch.rand(4, 5, 8, generator=generator) < 0.5).float()
        network.handmade[0].show(inputs, activity)

    network, pruner = make()
    for index in range(3):
        epoch(network, index)
        pruner.after_batch()
        pruner.after_epoch()
    assert 0 < pruner.pruning_rates["fc1"] < 1
    other, resumed = make()
    resumed.load_state_dict(pruner.state_dict())
    assert torch.equal(other.handmade[0].mask, network.handmade[0].mask)
    for net, steward in ((network, pruner), (other, resumed)):
        epoch(net, 9)
        steward.after_batch()
        steward.after_epoch()
    assert torch.equal(other.handmade[0].mask, network.handmade[0].mask)
    assert torch.equal(resumed.layers["fc1"].synapse_survival, pruner.layers["fc1"].synapse_survival)


def test_criteria_that_need_no_activity_watch_none():
    network = chain(3, 4, 2)
    dpap.DPAP(network, dpap.DPAPConfig(importance="magnitude"))
    assert network.handmade[0].observers == []


def test_names_of_criteria(monkeypatch):
    assert criteria() == ("bcm", "hebb", "magnitude", "random", "stdp")
    monkeypatch.setattr(registry, "_CRITERIA", dict(registry._CRITERIA))

    class Mine(Importance):
        pass

    assert criterion("mine")(Mine) is Mine
    assert find_criterion("mine") is Mine
    with pytest.raises(dpap.InputError, match="'bcm' is BCM already"):
        criterion("bcm")(Mine)
    with pytest.raises(dpap.InputError, match="'taylor'; there are bcm, hebb"):
        find_criterion("taylor")
