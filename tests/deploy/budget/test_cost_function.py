"""What a budget's cost function measures, and which units it prices."""

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs

import deploy
import dpap
from deploy.budget import budget_target
from deploy.hardware import load_hardware, map_graph
from dpap.pruning import parse_budget

SANAFE = "energy=1J:loihi1/sanafe_fit"

NETWORKS = {
    "average pool": ("6C3-AP2-20FC-5FC", (1, 8, 8)),
    "maximum pool": ("6C3-MP2-8C3-20FC-5FC", (1, 8, 8)),
    "pool with neurons": ("6C3-SP2-20FC-5FC", (1, 8, 8)),
    "groups": ("6C3-8C3g2-AP2-5FC", (2, 6, 6)),
    "residual": ("6C3-Res(6C3-6C3)-AP2-5FC", (1, 8, 8)),
    "recurrent": ("12RFC-5FC", (10,)),
}


def network_of(kind):
    notation, shape = NETWORKS[kind]
    network = firing_network(notation, shape, 4, input_max=3)
    generator = torch.Generator().manual_seed(1)
    for block in dpap.pruning.prunable.prunable_layers(network):
        block.mask.copy_((torch.rand(block.mask.shape, generator=generator) < 0.8).float())
    # A dead unit, as pruners leave it.
    dpap.DPAP(network).apply_masks()
    return network


def predicted(network, reading):
    """What the prices say of the remaining units."""
    total = reading.fixed
    pruner = dpap.DPAP(network)
    for name, synapses in pruner.masks.items():
        prices = reading.prices[name]
        counts = synapses.view(*prices.synapses.shape[:1], -1, synapses.shape[1]).sum(1).numpy()
        total += float((counts * prices.synapses).sum() + prices.neurons.sum())
    return total


@pytest.mark.parametrize(
    "budget", ["synops=1", SANAFE, "energy=1J:loihi1/davies2018", "energy=1J:spinnaker2"]
)
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_reading_is_what_is_measured_and_its_prices_add_up_to_it(kind, budget):
    network = network_of(kind)
    inputs = random_inputs(network, 3)
    reading = deploy.budget_cost_function(budget, inputs)(network)
    measurement = deploy.measure(*_ran(network, inputs))
    if budget == "synops=1":
        value = measurement.total("synops_effective") / 3
        assert reading.fixed == pytest.approx(0, abs=1e-6 * value)
    else:
        target = budget_target(parse_budget(budget))
        (value,) = deploy.estimate(measurement, target).energy.values()
        # Packets of the input, and what no source prices, belong to no unit.
        assert reading.fixed < 0.2 * value
    assert reading.value == pytest.approx(value, rel=1e-12)
    assert predicted(network, reading) == pytest.approx(value, rel=1e-9)
    assert reading.accuracy is None


def _ran(network, inputs):
    graph = deploy.compile(network)
    return graph, deploy.run(graph, inputs)


@pytest.mark.parametrize("budget", ["synops=1", SANAFE])
def test_a_price_of_the_last_layer_is_what_pruning_its_synapses_saves(budget):
    """The output has no fan-out, so no other activity changes; a column goes, as zeros in a list cost."""
    network = firing_network("30FC-5FC", (16,), 4, input_max=3)
    inputs = random_inputs(network, 3)
    cost_function = deploy.budget_cost_function(budget, inputs)
    before = cost_function(network)
    network.layers["fc2"].mask[:, [3, 7]] = 0
    after = cost_function(network)
    synapses = 5 * before.prices["fc2"].synapses[0, [3, 7]].sum()
    neurons = before.prices["fc1"].neurons[[3, 7]].sum()
    # Neurons 3 and 7 of fc1 have no fan-out any more, and go with their own synapses.
    own = 2 * before.prices["fc1"].synapses.sum()
    assert synapses > 0
    assert own > 0
    assert before.value - after.value == pytest.approx(synapses + neurons + own, rel=0.02)


def test_accuracy_is_that_of_the_compiled_network():
    network = network_of("average pool")
    inputs, labels = random_inputs(network, 8), np.arange(8) % 5
    reading = deploy.budget_cost_function("synops=1", inputs, labels)(network)
    _, recording = _ran(network, inputs)
    assert reading.accuracy == recording.accuracy(labels)


@pytest.mark.parametrize(
    ("budget", "part"),
    [
        ("energy=5uJ:loihi1", "name one, loihi1/davies2018 or loihi1/sanafe_fit"),
        ("energy=5uJ:loihi1/davies", "no cost set 'davies'; use one of davies2018, sanafe_fit"),
        ("energy=5uJ:nowhere/x", "hardware 'nowhere' is not known"),
        ("energy=5uJ:loihi2", "accumulate of loihi2/unpublished is unknown"),
        ("energy=5uJ:cmos45_int8", "neuron_update of cmos45_int8/horowitz2014 is unknown"),
        ("energy=5uJ:cpu_i7_4960x", "prices every synapse that the network had before pruning"),
        ("cores=5:loihi2", "neurons are not placed on the cores of loihi2"),
        ("cores=5:spinnaker", "neurons are not placed on the cores of spinnaker"),
        ("cores=5:missing.yaml", "missing.yaml: cannot be read"),
        ("watts=5", "is not known"),
    ],
)
def test_hardware_that_cannot_keep_a_budget_is_refused(budget, part):
    with pytest.raises(dpap.InputError, match=part) as refusal:
        deploy.budget_cost_function(budget, np.zeros((1, 4, 3)))
    assert "\n" not in str(refusal.value)


def test_samples_and_labels_that_do_not_fit_are_refused():
    with pytest.raises(dpap.InputError, match="0 samples"):
        deploy.budget_cost_function("synops=1", np.zeros((0, 4, 3)))
    with pytest.raises(dpap.InputError, match=r"2 samples with labels of shape \(3,\)"):
        deploy.budget_cost_function("synops=1", np.zeros((2, 4, 3)), np.zeros(3))
    relu = dpap.networks.build("5FC-2FC", (3,), 1, neuron=dpap.ReLU())
    with pytest.raises(dpap.InputError, match="networks of spiking neurons"):
        dpap.DPAP(
            relu,
            dpap.DPAPConfig(target={"budget": "synops=1", "epochs": 3}),
            deploy.budget_cost_function("synops=1", np.zeros((1, 1, 3), int)),
        )


# Cores. 32 channels of 8 x 8 are 2048 neurons, two full cores; the rest takes a core each.
WIDE = ("32C3-AP2-8C3-5FC", (1, 8, 8))


def test_only_units_that_free_a_core_are_priced():
    network = firing_network(*WIDE, 4, input_max=3)
    reading = deploy.budget_cost_function("cores=3:loihi1", random_inputs(network, 1))(network)
    graph = deploy.compile(network)
    chip = load_hardware("loihi1")
    assert reading.value == map_graph(graph, chip.structure, chip.synapse_format).cores == 4
    # On one core the first layer would have 2048 of 1024 neurons: it fills two, a channel 1 / 16 of a core.
    assert reading.prices["conv1"].neurons.tolist() == pytest.approx([2 / 32] * 32)
    assert reading.fixed == 2
    for name in ("conv2", "fc1"):
        assert not reading.prices[name].neurons.any()
    assert not any(prices.synapses.any() for prices in reading.prices.values())
    # What the prices predict: 16 channels less is a core less, 15 are not.
    for dead, cores in ((15, 4), (16, 3)):
        network.layers["conv1"].mask[:dead] = 0
        network.layers["conv2"].mask[:, :dead] = 0
        assert (
            deploy.budget_cost_function("cores=3:loihi1", random_inputs(network, 1))(network).value == cores
        )


def test_a_budget_that_is_met_prices_nothing_and_one_below_a_core_a_layer_all_that_can_go():
    network = firing_network(*WIDE, 4, input_max=3)
    reading = deploy.budget_cost_function("cores=4:loihi1", random_inputs(network, 1))(network)
    assert (reading.value, reading.fixed) == (4, 4)
    assert not any(prices.neurons.any() or prices.synapses.any() for prices in reading.prices.values())
    reading = deploy.budget_cost_function("cores=1:loihi1", random_inputs(network, 1))(network)
    assert reading.prices["conv1"].neurons.all()
    assert reading.fixed == 2


def test_layers_that_are_left_out_are_not_waited_for():
    network = firing_network("32C3-40C3-5FC", (1, 8, 8), 4, input_max=3)
    inputs = random_inputs(network, 1)
    free = deploy.budget_cost_function("cores=6:loihi1", inputs)(network)
    assert free.value > 6
    fixed = deploy.budget_cost_function("cores=6:loihi1", inputs, left_out=("conv1",))(network)
    assert free.prices["conv1"].neurons.any() or free.prices["conv1"].synapses.any()
    assert not fixed.prices["conv1"].synapses.any()
    assert fixed.prices["conv2"].neurons.any() or fixed.prices["conv2"].synapses.any()
