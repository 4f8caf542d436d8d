import copy

import pytest
import torch
from handmade_layers import chain

import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint


def make(config=None):
    return dpap.DPAP(chain(3, 4, 2), config)


def changed(path, value):
    """A state in which one entry is another; ``None`` removes it."""
    state = copy.deepcopy(make().state_dict())
    entry = state
    for key in path[:-1]:
        entry = entry[key]
    if value is None:
        del entry[path[-1]]
    else:
        entry[path[-1]] = value
    return state


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["epoch"], None, "DPAP: the state lacks epoch"),
        (["epoch"], -1, "epoch is -1; expected a whole number, 0 or more"),
        (["epoch"], 1.5, "epoch is 1.5"),
        (["layers", "fc2"], None, "DPAP, layers: the state lacks fc2"),
        (["layers", "fc9"], {}, "DPAP, layers: the state has the unknown fc9"),
        (["layers", "fc1"], 3, "fc1: the state is a int; expected a mapping"),
        (["layers", "fc1", "synapse_alive"], None, "fc1: the state lacks synapse_alive"),
        (
            ["layers", "fc1", "synapse_alive"],
            torch.ones(4, 2),
            r"synapse_alive has shape \(4, 2\); expected \(4, 3\)",
        ),
        (
            ["layers", "fc1", "neuron_survival"],
            torch.ones(4) / 0,
            "fc1, neuron_survival holds a value that is not f",
        ),
        (["layers", "fc1", "samples"], "many", "fc1, samples is 'many'"),
        (["layers", "fc1", "importance", "plasticity"], [1], "fc1, importance, plasticity is a list"),
        (["layers", "fc1", "importance", "threshold"], torch.ones(9), r"threshold has shape \(9,\)"),
        (["layers", "fc1", "importance"], {}, "fc1, importance: the state lacks plasticity"),
        (["config", "beta"], 3.0, "another DPAPConfig; build DPAP with that one"),
        (["config", "beta"], -3.0, "configuration is no DPAPConfig"),
        (["config"], 7, "configuration is no DPAPConfig"),
        (["steering"], None, "lacks steering"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name(path, value, message):
    with pytest.raises(dpap.InputError, match=message):
        make().load_state_dict(changed(path, value))


def test_what_is_no_state_at_all():
    with pytest.raises(dpap.InputError):
        make().load_state_dict([])


def test_every_configurations_state_goes_through_a_checkpoint(tmp_path):
    configs = [
        dpap.DPAPConfig.authors_code(),
        dpap.DPAPConfig(
            target={"synops": 100.0, "epochs": 4}, layers={"fc1": {"eta": 2}}, left_out=("conv1",)
        ),
        dpap.DPAPConfig(importance="random"),
    ]
    for config in configs:
        network = dpap.networks.build("3C3-4FC-2FC", (1, 4, 4), 2).train()
        pruner = dpap.DPAP(network, config)
        network((torch.rand(3, 1, 4, 4) < 0.5).float())
        pruner.after_batch()
        pruner.after_epoch()
        save_checkpoint(tmp_path / "checkpoint.safetensors", network, pruner)
        loaded, state = load_checkpoint(tmp_path / "checkpoint.safetensors")
        resumed = dpap.DPAP(loaded, config)
        resumed.load_state_dict(state)
        assert resumed.epoch == 1
        for name, layer in pruner.layers.items():
            theirs = resumed.layers[name].state_dict()
            for key, value in layer.state_dict()["importance"].items():
                assert torch.equal(torch.as_tensor(theirs["importance"][key]), torch.as_tensor(value))
            assert torch.equal(theirs["synapse_survival"], layer.synapse_survival)
