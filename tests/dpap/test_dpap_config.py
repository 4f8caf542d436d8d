import math

import pytest
import torch
from handmade_layers import chain, steps

import dpap
from dpap.pruning.survival import decay_factor, normalize


def test_the_defaults_differ_from_the_papers_form_in_two_fields():
    default, paper = dpap.DPAPConfig(), dpap.DPAPConfig.paper()
    assert (default.normalization, paper.normalization) == ("percentile", "minmax")
    assert (default.dense.epsilon, paper.dense.epsilon) == (1.85, 1.5)
    same = default.model_copy(update={"normalization": "minmax", "dense": paper.dense})
    assert same == paper
    assert dpap.DPAPConfig.paper(beta=3.0).beta == 3.0


def test_the_authors_codes_form():
    config = dpap.DPAPConfig.authors_code()
    assert (config.threshold, config.threshold_includes_batch) == ("slot", False)
    assert (config.normalization, config.percentile) == ("percentile", 0.75)
    assert not config.reset_each_epoch
    assert config.staircase
    assert config.trace_per_step
    assert config.spines == "unit_product"
    assert config.schedule.warm_up == 5
    assert not config.conv.synapses
    assert config.dense.synapses
    assert (config.conv.epsilon, config.conv.protection, config.conv.eta) == (0.65, 5.0, 12.0)
    assert (config.dense.epsilon, config.dense.protection, config.dense.eta) == (1.5, 2.0, 13.0)
    assert dpap.DPAPConfig.authors_code(staircase=False).staircase is False


def test_one_neuron_under_the_authors_code_by_hand():
    # Two neurons, one input, T = 2, pre trace (1 + 0.5) / 2 = 0.75. Neuron 0 fires once a step (0.75),
    # neuron 1 in the first step alone (0.25). Thresholds are means of earlier batches, 0 in the first.
    # Batch 1: BCM 0.75 * 0.75^2 = 0.421875 and 0.75 * 0.25^2 = 0.046875; later batches equal their means: 0.
    # So over all epochs the sums stay (no reset), the 75th percentile is 3/4 of the way from low to high, and
    # normalised: 0 and 1 (clipped). Traces sum to 3 : 1, so spines are 1 * 1 and 0 * 0, normalised 1 and 0.
    # Warm-up: five epochs change nothing. Epochs 5 to 17 have the exponent 0 (staircase): neuron 1 and its
    # synapse lose 1.5 an epoch, neuron 0 gains 2 * 1 - 1.5 + 2.
    network = chain(1, 2, 2)
    pruner = dpap.DPAP(network, dpap.DPAPConfig.authors_code())
    layer = pruner.layers["fc1"]

    def epoch():
        network.handmade[0].show(steps([1], [1]), steps([1, 1], [1, 0]))
        pruner.after_batch()
        pruner.after_epoch()

    for _ in range(5):
        epoch()
    assert layer.importance.synapses().tolist() == [[0.421875], [0.046875]]
    assert layer.importance.trace_sum.tolist() == [3.75, 1.25]
    assert layer.synapse_survival.tolist() == [[10.0], [10.0]]
    lost, won = 10.0, 10.0
    for _ in range(6):
        epoch()
        lost, won = 0.999 * lost - 1.5, 0.999 * won + 2.5
    assert layer.neuron_survival.tolist() == pytest.approx([won, lost])
    assert layer.synapse_survival.flatten().tolist() == pytest.approx([won, lost])
    assert layer.neuron_alive.all()
    epoch()
    # 10 - 7 * 1.5 < 0.
    assert layer.neuron_alive.tolist() == [True, False]
    assert network.handmade[1].mask.tolist() == [[1, 0], [1, 0]]


def test_the_staircase_by_hand():
    # eta = 12: epochs 0 to 11 have the exponent 0, 12 to 23 the exponent -1.
    assert [decay_factor(e, 12.0, staircase=True) for e in (0, 11, 12, 23)] == [
        1,
        1,
        math.exp(-1),
        math.exp(-1),
    ]
    assert decay_factor(6, 12.0) == math.exp(-0.5)


def test_another_percentile_by_hand():
    # The median of 0, 1, 2, 3, 100 is 2: x / 2, clipped.
    x = torch.tensor([0.0, 1.0, 2.0, 3.0, 100.0])
    everyone = torch.ones(5, dtype=torch.bool)
    assert normalize(x, everyone, "percentile", 0.5).tolist() == [0, 0.5, 1, 1, 1]


def test_channels_only():
    # Those of the lower importance decay; without synapses only neurons go.
    config = dpap.DPAPConfig(
        beta=0.1,
        importance="random",
        dense=dpap.SurvivalConfig(epsilon=1.5, protection=1, eta=10, synapses=False),
    )
    pruner = dpap.DPAP(chain(5, 6, 2), config)
    for _ in range(3):
        pruner.after_epoch()
    layer = pruner.layers["fc1"]
    assert layer.synapse_alive.all()
    assert bool((layer.synapse_survival == 0.1).all())
    assert not layer.neuron_alive.all()


def test_synapses_only():
    config = dpap.DPAPConfig(
        beta=0.1,
        importance="random",
        dense=dpap.SurvivalConfig(epsilon=1.5, protection=1, eta=10, neurons=False),
    )
    pruner = dpap.DPAP(chain(5, 6, 2), config)
    for _ in range(3):
        pruner.after_epoch()
    assert pruner.layers["fc1"].neuron_alive.all()
    assert not pruner.layers["fc1"].synapse_alive.all()


def test_a_layer_has_its_own_constants_then_its_kinds_then_the_common():
    config = dpap.DPAPConfig(
        beta=4.0,
        gamma=0.9,
        conv=dpap.SurvivalConfig(epsilon=0.5, protection=5, eta=12, gamma=0.8),
        layers={"conv2": dpap.LayerConfig(epsilon=1.0, beta=7.0, synapses=False)},
    )
    assert config.constants("conv1", "conv") == dpap.SurvivalConfig(
        epsilon=0.5, protection=5, eta=12, gamma=0.8, beta=4.0
    )
    assert config.constants("conv2", "conv") == dpap.SurvivalConfig(
        epsilon=1.0, protection=5, eta=12, gamma=0.8, beta=7.0, synapses=False
    )
    assert config.constants("fc1", "dense") == dpap.SurvivalConfig(
        epsilon=1.85, protection=2, eta=13, gamma=0.9, beta=4.0
    )


def test_own_constants_reach_the_layer():
    config = dpap.DPAPConfig(layers={"fc2": dpap.LayerConfig(beta=2.0)})
    pruner = dpap.DPAP(chain(3, 4, 4, 2), config)
    assert pruner.layers["fc1"].neuron_survival.tolist() == [10.0] * 4
    assert pruner.layers["fc2"].neuron_survival.tolist() == [2.0] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"importance": "taylor"}, "no criterion is called 'taylor'; there are bcm"),
        ({"trace_decay": 1.5}, "trace_decay"),
        ({"threshold": "layer"}, "threshold"),
        ({"percentile": 0}, "percentile"),
        ({"spines": "sum"}, "spines"),
        ({"normalization": "zscore"}, "normalization"),
        ({"layers": {"fc1": {"epsilon": 3}}}, "epsilon"),
        ({"layers": {"fc1": {"depth": 3}}}, "depth"),
        ({"conv": {"epsilon": 1, "protection": 1, "eta": float("nan")}}, "eta"),
        ({"schedule": {"warm_up": 8, "freeze": 5}}, "freeze is 5; it must not come before warm_up, 8"),
        ({"target": {"epochs": 9}}, "one of pruning_rate, synops and budget"),
        (
            {"target": {"epochs": 9, "pruning_rate": 0.5, "synops": 1e5}},
            "one of pruning_rate, synops and budget",
        ),
        ({"target": {"epochs": 9, "pruning_rate": 1.0}}, "pruning_rate"),
        ({"target": {"epochs": 9, "synops": float("inf")}}, "synops"),
        (
            {"target": {"epochs": 5, "pruning_rate": 0.5}, "schedule": {"warm_up": 5}},
            "later than schedule.warm_up",
        ),
        ({"target": {"epochs": 9, "pruning_rate": 0.5}, "schedule": {"freeze": 8}}, "schedule.freeze is 8"),
        ({"floor": {"neuron_share": 1.5}}, "neuron_share"),
        ({"floor": {"synapses": -1}}, "synapses"),
        ({"seed": -1}, "seed"),
        ({"no_such_name": 1}, "no_such_name"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dpap.DPAPConfig(**change)


def test_a_configuration_survives_json():
    config = dpap.DPAPConfig.authors_code(
        left_out=("fc1",), layers={"fc2": dpap.LayerConfig(eta=3)}, target={"pruning_rate": 0.5, "epochs": 20}
    )
    assert dpap.DPAPConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left_out": ("fc9",)}, "left_out names fc9; the network's layers are fc1, fc2"),
        ({"layers": {"conv1": dpap.LayerConfig()}}, "layers names conv1; the network's layers are fc1, fc2"),
    ],
)
def test_layers_that_a_network_lacks_are_named(options, message):
    with pytest.raises(dpap.InputError, match=message):
        dpap.DPAP(chain(3, 4, 2), dpap.DPAPConfig(**options))
