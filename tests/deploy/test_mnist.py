"""The paper's network on real MNIST, where there is a copy (``DPAP_DATA``)."""

import os

import numpy as np
import pytest
import torch

import deploy
import dpap
from dpap.data import load
from dpap.training import TrainingConfig, train

DATA = os.environ.get("DPAP_DATA")

pytestmark = pytest.mark.skipif(not DATA, reason="DPAP_DATA is not set: no copy of MNIST")


@pytest.fixture(scope="module")
def trained():
    train_split, test_split = load("mnist")
    train_split, test_split = train_split.part(np.arange(3000)), test_split.part(np.arange(500))
    torch.manual_seed(0)
    network = dpap.networks.build("15C3-AP2-40C3-AP2-300FC-10FC", (1, 28, 28), 8, input_max=15)
    # Quick decay, so that two epochs prune.
    config = dpap.DPAPConfig(
        beta=1.0,
        normalization="percentile",
        conv=dpap.SurvivalConfig(epsilon=1.2, protection=1.0, eta=5.0),
        dense=dpap.SurvivalConfig(epsilon=1.7, protection=1.0, eta=5.0),
    )
    pruner = dpap.DPAP(network, config)
    history = train(network, train_split, test_split, TrainingConfig(epochs=3, batch_size=50), pruner)
    return network, history, test_split


def test_it_learns_real_digits_while_it_prunes(trained):
    _, history, _ = trained
    assert history[-1].test_accuracy > 0.85
    assert history[-1].pruning_rate > 0.3


def test_torch_the_fast_backend_and_lava_agree_in_every_layer(trained):
    network, _, test_split = trained
    graph = deploy.compile(network)
    inputs = test_split.over_time(8)
    certificate = deploy.verify(graph, network, inputs[:200], backends=("fast",))
    assert certificate.mismatches == 0
    lava = deploy.verify(graph, network, inputs[:4], backends=("lava",))
    assert lava.mismatches == 0
    assert all(layer.spikes > 0 for layer in lava.backends["lava"].values())


def test_it_fits_on_loihi_and_is_priced(trained):
    network, _, test_split = trained
    graph = deploy.compile(network)
    estimate = deploy.estimate(deploy.measure(graph, deploy.run(graph, test_split.over_time(8, 20))))
    assert estimate.fits
    # A core has 1024 neurons, so what is left of 15 channels of 28 x 28 takes at least so many cores.
    assert -(-graph["conv1"].size // 1024) <= estimate.mapping["conv1"].cores < estimate.cores <= 128
    assert all(costs.dynamic_energy > 0 for costs in estimate.cost_sets.values())
