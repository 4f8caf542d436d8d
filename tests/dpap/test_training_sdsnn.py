"""Runs of SD-SNN in a folder: what they record, and that they go on as if nothing had happened."""

import numpy as np
import pytest
import torch
from test_training_run import assert_same_run, epochs_done, killed, trained

import dpap
from dpap.checkpoint import load_checkpoint
from dpap.pruning import read_pruning_history
from dpap.training import run as run_module
from dpap.training.run_config import make_run_config
from dpap.training.run_files import RunFiles

EPOCHS = 16

FIELDS = {
    "data": {"time_steps": 4, "validation": 1100},
    "network": {"notation": "4C3-AP2-24FC-10FC"},
    "method": "sdsnn",
    "sdsnn": {
        "patience": 1,
        "shrink": 0.97,
        "dense": {
            "pruning_percent": 10.0,
            "gain": 0.5,
            "gain_decay": 1.0,
            "growth_percentile": 60.0,
            "alive_weights": 5,
        },
        "growth_base": 1.5,
    },
    "training": {"seed": 6, "learning_rate": 0.01, "epochs": EPOCHS},
    "execution": {"threads": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, trained(folder, make_run_config(FIELDS))


def test_a_run_that_is_killed_ends_at_the_same_weights(whole, tmp_path):
    folder, _ = whole
    config_path = tmp_path / "config.yaml"
    config_path.write_text(make_run_config(FIELDS).to_yaml())
    killed(tmp_path / "run", config_path, 0.05, EPOCHS)
    trained(tmp_path / "run", make_run_config(FIELDS), resume=True)
    assert_same_run(folder, tmp_path / "run")


def test_a_run_that_breaks_while_structure_changes_ends_at_the_same(whole, tmp_path, monkeypatch):
    # Three files an epoch, or two: in the middle of the training.
    left = [26]

    def breaking(original):
        def write(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return write

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_checkpoint", breaking(run_module.save_checkpoint))
        patch.setattr(run_module.PruningHistory, "save", breaking(run_module.PruningHistory.save))
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "broken", make_run_config(FIELDS))
    assert 1 <= epochs_done(RunFiles(tmp_path / "broken")) < EPOCHS
    trained(tmp_path / "broken", make_run_config(FIELDS), resume=True)
    assert_same_run(whole[0], tmp_path / "broken")


def test_the_record_says_what_went_and_what_came_back(whole):
    folder, result = whole
    record = read_pruning_history(RunFiles(folder).pruning_history)
    assert record.epochs == EPOCHS
    assert list(record.layers) == ["conv1", "fc1", "fc2"]
    network, _ = load_checkpoint(RunFiles(folder).last)
    total = {block.name: block.mask.flatten(1).numel() for block in network.synaptic_blocks()}
    went = back = 0
    for name, layer in record.layers.items():
        assert layer.units == {}
        # What is alive is what there was, less what was pruned, with what was regrown; nothing moves in 2 N +
        # 1 epochs.
        change = np.cumsum(layer.turnover["synapses_regrown"] - layer.turnover["synapses_pruned"])
        assert layer.pruning_rate == pytest.approx(-change / total[name])
        assert not any(flow[:3].any() for flow in layer.turnover.values())
        went += layer.turnover["synapses_pruned"].sum()
        back += layer.turnover["synapses_regrown"].sum()
        neurons = np.cumsum(layer.turnover["neurons_regrown"] - layer.turnover["neurons_pruned"])
        assert np.array_equal(layer.neurons_alive, layer.neurons_alive[0] + neurons)
    assert went > back > 0
    assert record.layers["fc2"].ranges is None
    assert {name: layer.pruning_rate[-1] for name, layer in record.layers.items()} == result.pruning_rates


def test_the_structure_settles(whole):
    record = read_pruning_history(RunFiles(whole[0]).pruning_history)
    moved = sum(np.sum(list(layer.turnover.values()), axis=0) for layer in record.layers.values())
    assert moved.sum() > 0
    assert moved[-4:].sum() < 0.05 * moved.sum()
    assert all(np.ptp(layer.pruning_rate[-4:]) < 0.03 for layer in record.layers.values())


def test_ranges_are_those_of_the_remaining_weights(whole):
    folder, _ = whole
    record = read_pruning_history(RunFiles(folder).pruning_history)
    _, state = load_checkpoint(RunFiles(folder).last)
    for name in ("conv1", "fc1"):
        ranges = state["layers"][name]["ranges"]
        alive = state["layers"][name]["synapse_alive"]
        widths = (ranges["upper"] - ranges["lower"])[alive].flatten()
        lowest, _, median, _, highest = record.layers[name].ranges[-1]
        assert (lowest, highest) == (widths.min().item(), widths.max().item())
        assert abs(torch.quantile(widths, 0.5).item() - median) <= np.ptp(widths.numpy()) / 10
        # After the first epoch all are twice the layer's largest weight.
        assert np.ptp(record.layers[name].ranges[0]) == 0
        assert np.ptp(record.layers[name].ranges[-1]) > 0


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"pruning.target": {"pruning_rate": 0.5, "epochs": 3}}, "method sdsnn finds its own pruning rate"),
        ({"training.epochs": 3}, "prunes from epoch 4 on, with sdsnn.patience 1; training.epochs is 3"),
        ({"sdsnn.patience": 0}, "sdsnn.patience is 0"),
        ({"sdsnn.left_out": ["fc9"]}, "fc9"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, part):
    with pytest.raises(dpap.InputError, match=part):
        trained(tmp_path / "run", make_run_config(FIELDS, changes))
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_method_keeps_the_section(tmp_path):
    assert make_run_config(FIELDS, {"method": "dpap"}).sdsnn.patience == 1
