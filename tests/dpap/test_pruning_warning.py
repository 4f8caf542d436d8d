"""A pruner that destroys a network is noticed while it trains."""

import warnings

import numpy as np
import pytest
import torch

import dpap
from dpap.data import load_digits
from dpap.training import TrainingConfig, train


class Schedule:
    """A pruner that removes a share of the synapses of fc1 at the end of each epoch."""

    def __init__(self, network, shares):
        self.network, self.shares, self.epoch = network, shares, 0

    def after_batch(self):
        pass

    def after_epoch(self):
        mask = self.network.layers["fc1"].mask
        removed = int(self.shares[self.epoch] * mask.numel())
        mask.view(-1)[:removed] = False
        self.epoch += 1

    @property
    def pruning_rates(self):
        return {"fc1": 1 - self.network.layers["fc1"].mask.float().mean().item()}

    @property
    def pruning_rate(self):
        return self.pruning_rates["fc1"]


def learn(shares, **options):
    train_split, test_split = load_digits()
    torch.manual_seed(0)
    network = dpap.networks.build("8C3-AP2-32FC-10FC", (1, 8, 8), 2, input_max=16)
    part = train_split.part(np.arange(512))
    config = TrainingConfig(epochs=len(shares), learning_rate=0.01, **options)
    return train(network, part, test_split, config, Schedule(network, shares))


def test_a_network_that_is_destroyed_is_warned_of_once():
    with pytest.warns(dpap.PruningWarning) as given:
        history = learn([0, 0, 0, 0, 1, 1, 1])
    best = max(history[:5], key=lambda record: record.train_accuracy)
    fallen = history[5]
    # Without fc1 nothing reaches the output: a tenth is right.
    assert fallen.train_accuracy < 0.2 < best.train_accuracy - 0.1
    assert len(given) == 1
    message = str(given[0].message)
    assert message.startswith(f"epoch 6: training accuracy is {fallen.train_accuracy:.1%}, ")
    points = 100 * (best.train_accuracy - fallen.train_accuracy)
    assert f"{points:.1f} points below that of epoch {best.epoch}" in message
    assert "100.0% of the synapses are pruned, most in fc1, 100.0%" in message
    assert "smaller epsilon" in message and "floor.synapse_share" in message


@pytest.mark.parametrize(
    ("shares", "options"),
    [
        ([0, 0, 0, 0, 0, 0, 0], {}),
        # What the last epoch prunes was not learned with.
        ([0, 0, 0, 0, 0, 0, 1], {}),
        ([0, 0, 0, 0, 1, 1, 1], {"warn_drop": 1.0}),
        # A few synapses less cost no ten points.
        ([0, 0, 0, 0.05, 0.1, 0.1, 0.1], {}),
    ],
)
def test_a_network_that_learns_on_is_not(shares, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", dpap.PruningWarning)
        learn(shares, **options)
