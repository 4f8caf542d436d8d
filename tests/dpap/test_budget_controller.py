"""Control of a measured cost, with cost functions made by hand; deploy's are in tests/deploy/budget."""

import copy
import math

import numpy as np
import pytest
import torch
from factories import firing_network
from handmade_layers import chain
from test_target_controller import learn

import dpap
from dpap.pruning import CostReading, UnitPrices


def config(limit, epochs=8, **options):
    target = {"budget": f"synops={limit}", "epochs": epochs} | options
    return dpap.DPAPConfig.paper(normalization="percentile", target=target)


def small_network():
    return firing_network("6C3-AP2-20FC-5FC", (1, 8, 8), 4, input_max=16).train()


def remaining_weights(network):
    return float(sum((block.mask.expand_as(block.weight) != 0).sum() for block in network.synaptic_blocks()))


def neurons_of(name, accuracy=None):
    """Measures the remaining neurons of one layer, and prices those alone."""

    def cost_function(network):
        prices = {}
        for block in network.synaptic_blocks():
            alive = block.mask.flatten(1).any(1).double().numpy()
            synapses = np.zeros((1, block.mask.flatten(1).shape[1]))
            prices[block.name] = UnitPrices(synapses, alive * (block.name == name))
        return CostReading(prices[name].neurons.sum() + 3.0, accuracy, prices, fixed=3.0)

    return cost_function


def test_a_value_alone_is_met_and_not_undercut():
    network = small_network()
    before = remaining_weights(network)
    pruner = dpap.DPAP(network, config(0.4 * before), remaining_weights)
    rates = learn(pruner, network, 10)
    assert rates[3] == 0, "the first decay"
    assert rates == sorted(rates)
    assert 0.37 * before < remaining_weights(network) <= 0.4 * before
    assert pruner.budget.met
    assert pruner.budget.reading.value == remaining_weights(network)


@pytest.mark.parametrize("real", [0.7, 1.3], ids=["less", "more"])
def test_what_the_prices_predict_wrongly_is_corrected_by_the_measurement(real):
    """The value goes with the 0.7th or 1.3rd power of the weights, and each reading says: in proportion."""
    network = small_network()
    before = remaining_weights(network)
    readings = []

    def cost_function(network):
        assert not network.training
        readings.append(before * (remaining_weights(network) / before) ** real)
        return readings[-1]

    pruner = dpap.DPAP(network, config(0.5 * before, epochs=6), cost_function)
    learn(pruner, network, 7)
    assert network.training
    assert pruner.budget.met
    assert pruner.budget.reading.value == readings[-1]
    assert readings[-1] > 0.45 * before


def test_only_units_with_a_price_are_pruned():
    network = small_network()
    pruner = dpap.DPAP(network, config(3 + 12, epochs=6), neurons_of("fc1"))
    learn(pruner, network, 7)
    assert pruner.neurons_pruned == {"conv1": 0, "fc1": 8 / 20, "fc2": 0}
    # Its neurons alone: all synapses between the remaining are left, and of the output those that they feed.
    assert pruner.pruning_rates == pytest.approx({"conv1": 0, "fc1": 0.4, "fc2": 0.4})
    assert pruner.budget.reading.value == 15


def test_the_path_and_the_weights_of_layers_by_hand():
    # fc1: 4 neurons of 3 synapses at 1, fc2: 2 neurons of 4 synapses at 5, and each neuron of fc1 costs 2.
    # Synapses of fc1: 12. Neurons of fc1: 12 + 4 * 2 + those they feed, 8 * 5: 60. The output counts not.
    network = chain(3, 4, 2)
    prices = {
        "fc1": UnitPrices(np.ones((1, 3)), np.full(4, 2.0)),
        "fc2": UnitPrices(np.full((1, 4), 5.0), np.zeros(2)),
    }
    pruner = dpap.DPAP(network, config(50, epochs=9), lambda _: CostReading(62.0, None, prices, fixed=2.0))
    layer = pruner.layers["fc1"]
    layer._normalized = torch.zeros(4, 3), torch.zeros(4)
    pruner.budget.begin(0)
    assert pruner.budget.shifts("fc1", 0.5) == pytest.approx((12 / 60 * 2.0 - 1.5, 60 / 60 * 2.0 - 1.5))
    pruner.budget.choose(0)
    assert pruner.budget.start == 62
    # A unit of importance 0 and survival 10 is pruned within one epoch above the shift 10 / e^0 - 1.5, and
    # where its decay has a weight of 0.2 above 10 / 0.2 - 1.5.
    layer.least_neurons = layer.least_synapses = 0
    synapses, neurons = pruner.budget._critical(layer, 0, 1)
    assert synapses.flatten().tolist() == pytest.approx([0.999 * 10 / 0.2 - 1.5] * 12)
    assert neurons.tolist() == pytest.approx([0.999 * 10 - 1.5] * 4)


def test_below_the_floors_no_layer_is_emptied_and_it_says_that_no_more_can_be_had():
    network = small_network()
    pruner = dpap.DPAP(network, config(1, epochs=5), remaining_weights)
    learn(pruner, network, 7)
    assert not pruner.budget.met
    assert pruner.budget.exhausted
    assert all(bool(block.mask.any()) for block in network.synaptic_blocks())
    assert all(alive.any() for _, alive in pruner.alive_masks.values())


def test_nothing_is_pruned_while_accuracy_is_too_low():
    network = small_network()
    accuracies = iter([0.9] * 7 + [0.4] * 3 + [0.85] * 99)
    start = remaining_weights(network)
    cost_function = lambda network: CostReading(remaining_weights(network), next(accuracies))  # noqa: E731
    pruner = dpap.DPAP(network, config(0.3 * start, epochs=8, max_drop=0.1), cost_function)
    # One reading at the start and, until a unit is pruned, one an epoch: epochs 1 to 4. In the fifth the
    # network is measured again without the units to prune; then accuracy is 0.4 for three epochs.
    rates = learn(pruner, network, 8)
    assert pruner.budget.least_accuracy == pytest.approx(0.8)
    assert rates[3] == 0
    assert 0 < rates[4] == rates[5] == rates[6] == rates[7]
    assert (pruner.budget.held, pruner.budget.held_epochs) == (True, 3)
    assert not pruner.budget.exhausted
    rates = learn(pruner, network, 4)
    assert pruner.budget.met
    assert not pruner.budget.held


def test_an_accuracy_is_needed_to_hold_it():
    with pytest.raises(
        dpap.InputError, match=r"target\.min_accuracy and target\.max_drop need a measurement"
    ):
        dpap.DPAP(small_network(), config(1000, min_accuracy=0.5), remaining_weights)


@pytest.mark.parametrize(
    ("measured", "part"),
    [
        (math.nan, "value nan; expected finite numbers"),
        (-1.0, "value -1.0"),
        ("much", "a str; expected a number or a Reading"),
        (None, "a NoneType"),
        (CostReading(1.0, accuracy=math.inf), "accuracy inf"),
        (CostReading(1.0, prices={}), "prices ; the layers are fc1, fc2"),
        (
            CostReading(1.0, prices=dict.fromkeys(("fc1", "fc2"), UnitPrices(np.zeros((1, 3)), np.zeros(4)))),
            r"shapes \(\(1, 3\), \(4,\)\) for fc2; expected \(\(1, 4\), \(2,\)\)",
        ),
        (
            CostReading(
                1.0, prices=dict.fromkeys(("fc1", "fc2"), UnitPrices(np.full((1, 3), -1), np.zeros(4)))
            ),
            "fc1, synapses",
        ),
    ],
)
def test_measurements_that_are_none_are_refused_at_once(measured, part):
    with pytest.raises(dpap.InputError, match=part):
        dpap.DPAP(chain(3, 4, 2), config(5), lambda _: measured)


def test_a_budget_and_its_measurement_belong_together():
    for options in ((config(5), None), (None, remaining_weights)):
        with pytest.raises(dpap.InputError, match=r"give both target\.budget and cost_function=deploy\."):
            dpap.DPAP(small_network(), *options)


def test_a_violation_of_the_hardware_does_not_meet_a_budget():
    cost_function = lambda network: CostReading(1.0, violation="fc1: fan-in 5000, at most 4096")  # noqa: E731
    pruner = dpap.DPAP(small_network(), config(5), cost_function)
    assert not pruner.budget.met


def test_it_goes_on_from_its_state():
    def make():
        network = small_network()
        cost_function = lambda network: CostReading(remaining_weights(network), 0.75)  # noqa: E731
        return network, dpap.DPAP(network, config(1200, max_drop=0.5), cost_function)

    network, pruner = make()
    learn(pruner, network, 6)
    other, resumed = make()
    other.load_state_dict(network.state_dict())
    resumed.load_state_dict(copy.deepcopy(pruner.state_dict()))
    assert resumed.budget.reading.value == pruner.budget.reading.value == remaining_weights(network)
    assert not resumed.budget.untouched
    assert learn(pruner, network, 4, seed=1) == learn(resumed, other, 4, seed=1)
    assert pruner.budget.state_dict()["measured"].tolist() == resumed.budget.state_dict()["measured"].tolist()
    assert pruner.budget.met


@pytest.mark.parametrize("damage", ["measured", "violation", "flags"])
def test_a_damaged_state_is_refused(damage):
    pruner = dpap.DPAP(chain(3, 4, 2), config(5), lambda _: 7.0)
    state = pruner.state_dict()
    state["steering"] = {**state["steering"], damage: 3}
    with pytest.raises(dpap.InputError, match=f"steering, {damage}"):
        pruner.load_state_dict(state)
