"""Objects of another kind are refused with what to do, by every public entry point."""

import numpy as np
import pytest
import torch
from factories import firing_network
from torch import nn

import deploy
import dpap
from dpap.data import load_digits
from dpap.training import TrainingConfig, train


@pytest.fixture(scope="module")
def things():
    network = firing_network("4C3-AP2-10FC", (1, 8, 8), 2, input_max=16)
    graph = deploy.compile(network)
    train_split, test_split = load_digits()
    inputs = test_split.over_time(2, 2)
    recording = deploy.run(graph, inputs)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(4, 1)))
    return {
        "network": network,
        "graph": graph,
        "inputs": inputs,
        "recording": recording,
        "measurement": deploy.measure(graph, recording),
        "train": train_split,
        "test": test_split,
        "loader": loader,
        "stock": nn.Sequential(nn.Linear(2, 2)),
        "config": TrainingConfig(epochs=1),
    }


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda t: train(t["network"], t["loader"], None, t["config"]),
            ["train_split is a DataLoader", "Split("],
        ),
        (
            lambda t: train(t["network"], t["train"], t["config"], t["test"]),
            ["test_split is a TrainingConfig"],
        ),
        (
            lambda t: train(t["train"], t["network"], None, t["config"]),
            ["network is a Split", "train(network"],
        ),
        (
            lambda t: train(t["stock"], t["train"], None, t["config"]),
            ["network is a Sequential", "from_slayer"],
        ),
        (
            lambda t: train(t["network"], t["train"], None, {"epochs": 1}),
            ["config is a dict", "TrainingConfig()"],
        ),
        (
            lambda t: train(t["network"], t["train"], None, t["config"], dpap.DPAPConfig()),
            ["pruner is a DPAPConfig", "after_epoch"],
        ),
        (lambda t: dpap.networks.build("10FC", (4,), 2, neuron="relu"), ["neuron is a str", "dpap.ReLU()"]),
        (lambda t: dpap.DPAP(t["graph"]), ["this is a Graph", "expected a dpap Network"]),
        (lambda t: deploy.compile(t["graph"]), ["cannot compile a Graph"]),
        (lambda t: deploy.run(t["network"], t["inputs"]), ["graph is a Network", "deploy.compile(network)"]),
        (lambda t: deploy.run(t["inputs"], t["graph"]), ["graph is a ndarray", "deploy.run(graph, inputs)"]),
        (
            lambda t: deploy.measure(t["recording"], t["graph"]),
            ["graph is a Recording", "measure(graph, recording)"],
        ),
        (lambda t: deploy.measure(t["graph"], t["inputs"]), ["recording is a ndarray"]),
        (
            lambda t: deploy.estimate(t["graph"]),
            ["measurement is a Graph", "deploy.measure(graph, deploy.run("],
        ),
        (lambda t: deploy.estimate(t["recording"]), ["measure it first", "deploy.estimate(measurement"]),
        (lambda t: deploy.compare(t["graph"], t["measurement"]), ["dense is a Graph"]),
        (
            lambda t: deploy.verify(t["network"], t["graph"], t["inputs"]),
            ["graph is a Network", "verify(graph"],
        ),
        (lambda t: deploy.export(t["network"], "model.h5"), ["graph is a Network", "compile it first"]),
        (lambda t: deploy.early_exit(t["measurement"], np.zeros(2)), ["recording is a Measurement"]),
    ],
)
def test_another_object_is_refused_with_what_to_do(things, call, said):
    with pytest.raises(dpap.InputError) as raised:
        call(things)
    for words in said:
        assert words in str(raised.value)


def test_what_is_advised_works(things):
    graph = deploy.compile(things["network"])
    measurement = deploy.measure(graph, deploy.run(graph, things["inputs"]))
    assert deploy.estimate(measurement, "loihi1").cores
    train(things["network"], things["train"], things["test"], things["config"])
