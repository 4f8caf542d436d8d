"""Runs in a folder: killed, resumed, repeated, and refused."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from factories import change_sealed

import dpap
from dpap.checkpoint import load_checkpoint, read_checkpoint
from dpap.checkpoint.sealed_file import read_sealed
from dpap.training import read_history
from dpap.training import run as run_module
from dpap.training.best import Best
from dpap.training.run import run_training
from dpap.training.run_config import make_run_config, read_run_config
from dpap.training.run_files import RunFiles

EPOCHS = 14

FIELDS = {
    # What draws in an epoch is all here: order, encoder, dropout.
    "data": {"time_steps": 4, "encoder": {"kind": "rate"}, "validation": 1000},
    "network": {"notation": "4C3-AP2-16FC-DP0.1-10FC"},
    "training": {"seed": 3, "learning_rate": 0.01, "clip_norm": 1.0, "warm_up": 2},
    "execution": {"threads": 1, "device": "cpu"},
}


def configuration(epochs=EPOCHS, **changes):
    target = {"pruning_rate": 0.5, "epochs": epochs - 1}
    return make_run_config(FIELDS, {"training.epochs": epochs, "pruning.target": target} | changes)


def trained(folder, config, **options):
    return run_training(config, RunFiles(folder), **options)


def contents(path):
    """All that a checkpoint holds, flat; of the epochs' durations nothing."""
    plain, tensors = read_sealed(path, "checkpoint")
    return flat(plain) | tensors


def flat(value, name=""):
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return {} if name.endswith("/seconds") else {name: value}
    return {key: leaf for key, inner in items for key, leaf in flat(inner, f"{name}/{key}").items()}


def assert_same(one, other):
    one, other = contents(one), contents(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value.nan_to_num(), other[name].nan_to_num()), name
        else:
            assert value == other[name] or value != value, name


def assert_same_run(one, other):
    for name in ("last", "best"):
        assert_same(getattr(RunFiles(one), name), getattr(RunFiles(other), name))
    assert read_history(RunFiles(one).history) == read_history(RunFiles(other).history)
    with np.load(RunFiles(one).pruning_history) as left, np.load(RunFiles(other).pruning_history) as right:
        assert left.files == right.files
        assert all(np.array_equal(left[name], right[name], equal_nan=True) for name in left.files)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    result = trained(folder, configuration())
    return folder, result


def epochs_done(files):
    return len(read_checkpoint(files.last).training["learning"]["history"]) if files.last.exists() else 0


def killed(folder, config_path, seconds, epochs):
    """Kill a child a while after it first wrote ``last.safetensors``; the epochs that it got to."""
    files = RunFiles(folder)
    before = epochs_done(files)
    stamp = files.last.stat().st_mtime_ns if files.last.exists() else None
    resume = ["--resume"] if files.config.exists() else ["--config", str(config_path)]
    child = subprocess.Popen(
        [sys.executable, "-m", "deploy", "train", "--out", folder, *resume],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 300
        while (files.last.stat().st_mtime_ns if files.last.exists() else None) == stamp:
            assert child.poll() is None, "the child ended by itself"
            assert time.monotonic() < deadline, "the child wrote nothing"
            time.sleep(0.002)
        time.sleep(seconds)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert child.returncode == -signal.SIGKILL
    after = epochs_done(files)
    assert before < after < epochs
    return after


def test_a_run_that_is_killed_ends_at_the_same_weights(whole, tmp_path):
    folder, result = whole
    config_path = tmp_path / "config.yaml"
    config_path.write_text(configuration().to_yaml())
    duration = np.median([record.seconds for record in result.history])
    moments = random.Random(5)
    for _ in range(3):
        killed(tmp_path / "run", config_path, moments.uniform(0, 2.5 * duration), EPOCHS)
    trained(tmp_path / "run", configuration(), resume=True)
    assert_same_run(folder, tmp_path / "run")
    assert not list((tmp_path / "run").glob(".*.part"))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A shorter one."""
    folder = tmp_path_factory.mktemp("runs") / "short"
    trained(folder, configuration(epochs=4))
    return folder


@pytest.mark.parametrize("moment", range(5))
def test_a_run_that_breaks_between_two_files_ends_at_the_same(short, tmp_path, monkeypatch, moment):
    config = configuration(epochs=4)
    # Two or one checkpoints an epoch, the history and the pruning history: the run breaks in the second or
    # third.
    left = [4 + moment]

    def breaking(original):
        def write(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return write

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_checkpoint", breaking(run_module.save_checkpoint))
        patch.setattr(RunFiles, "write_history", breaking(RunFiles.write_history))
        patch.setattr(run_module.PruningHistory, "save", breaking(run_module.PruningHistory.save))
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "broken", config)
    assert 1 <= epochs_done(RunFiles(tmp_path / "broken")) < 4
    trained(tmp_path / "broken", config, resume=True)
    assert_same_run(short, tmp_path / "broken")


def test_a_run_is_repeated_by_its_config(whole, tmp_path):
    folder, _ = whole
    again = make_run_config(read_run_config(folder / "config.yaml"), {"training.epochs": EPOCHS})
    assert again == configuration()


def test_what_a_run_leaves(whole):
    folder, result = whole
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.safetensors",
        "config.yaml",
        "development.npz",
        "history.csv",
        "last.safetensors",
    ]
    (history,) = read_history(folder / "history.csv").values()
    assert history == result.history
    assert [record.epoch for record in history] == list(range(1, EPOCHS + 1))
    assert history[-1].pruning_rate == pytest.approx(0.5, abs=0.02)
    # Warm-up over two epochs, times the cosine: 1/3, 2/3 and 1 of it.
    shares = [record.learning_rate / 0.01 for record in history[:3]]
    cosine = [(1 + np.cos(np.pi * epoch / EPOCHS)) / 2 for epoch in range(3)]
    assert shares == pytest.approx(
        [share * factor for share, factor in zip((1 / 3, 2 / 3, 1), cosine, strict=True)]
    )
    # The best is one of those that are pruned as far as the last.
    best = history[result.best.epoch - 1]
    assert best.validation_accuracy == result.best.accuracy
    far = [record for record in history if record.pruning_rate >= history[-1].pruning_rate - 0.01]
    assert best.validation_accuracy == max(record.validation_accuracy for record in far)
    network, pruner = load_checkpoint(folder / "checkpoint.safetensors")
    assert pruner["epoch"] == result.best.epoch
    weights = sum(block.weight.numel() for block in network.synaptic_blocks())
    kept = sum(int((block.mask.expand_as(block.weight) != 0).sum()) for block in network.synaptic_blocks())
    assert 1 - kept / weights == pytest.approx(best.pruning_rate)


def test_a_finished_run_is_resumed_without_learning(whole):
    folder, result = whole
    before = (folder / "last.safetensors").read_bytes()
    seen = []
    again = trained(folder, configuration(), resume=True, on_epoch=seen.append)
    assert again.history == result.history == seen
    assert again.best == result.best
    assert again.pruning_rates == result.pruning_rates
    assert (folder / "last.safetensors").read_bytes() == before


def test_a_run_is_not_resumed_as_another(whole):
    folder, _ = whole
    other = configuration(**{"training.batch_size": 32, "network.bias": True})
    with pytest.raises(
        dpap.InputError, match=r"last.safetensors: it was begun with another network.bias, training.batch"
    ):
        trained(folder, other, resume=True)


@pytest.mark.parametrize("damage", ["truncated", "without_training", "learning", "development", "best"])
def test_a_damaged_run_is_not_resumed(whole, tmp_path, damage):
    path = tmp_path / "last.safetensors"

    def change(plain, tensors):
        if damage == "without_training":
            plain["training"] = None
            for name in [name for name in tensors if name.startswith("training/")]:
                del tensors[name]
        elif damage == "learning":
            plain["training"]["learning"]["optimizer"]["param_groups"] = []
        elif damage == "development":
            plain["training"]["development"]["quantiles"] = {}
        elif damage == "best":
            plain["training"]["best"] = {"epoch": 1}

    change_sealed(whole[0] / "last.safetensors", path, change)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    (tmp_path / "config.yaml").write_text(configuration().to_yaml())
    with pytest.raises(dpap.InputError, match=r"last\.safetensors: "):
        trained(tmp_path, configuration(), resume=True)


@pytest.mark.parametrize(
    ("loss", "part"), [("nan", "epoch 2: the loss is nan in batch 1"), ("weight", "fc1: a weight is nan")]
)
def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, loss, part):
    config, files = configuration(epochs=3), RunFiles(tmp_path)
    original = run_module.Trainer.next_epoch

    def poisoned(self, *splits):
        if len(self.history) == 1:
            if loss == "nan":
                self._loss_of = lambda output, labels: output.sum() * float("nan")
            else:
                self.network.layers["fc1"].weight.data[0, 0] = float("nan")
        return original(self, *splits)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Trainer, "next_epoch", poisoned)
        with pytest.raises(dpap.TrainingError, match=part) as failure:
            trained(tmp_path, config)
    assert f"{files.last} holds the state after epoch 1" in str(failure.value)
    assert epochs_done(files) == 1
    network, _ = load_checkpoint(files.last)
    assert all(torch.isfinite(values).all() for values in network.state_dict().values())


def test_the_best_is_the_most_accurate_of_those_pruned_as_far():
    best = Best(1, 0.9, 0.0)
    assert best.yields_to(Best(2, 0.9, 0.0), 0.01)
    assert not best.yields_to(Best(2, 0.89, 0.005), 0.01)
    assert best.yields_to(Best(2, 0.5, 0.02), 0.01)
    # Something has grown back: what was pruned too far is not kept.
    assert Best(2, 0.5, 0.5).yields_to(Best(3, 0.4, 0.4), 0.01)


def test_the_unpruned_control_and_another_criterion(tmp_path):
    control = trained(tmp_path / "none", make_run_config(FIELDS, {"method": "none", "training.epochs": 2}))
    assert control.history[-1].pruning_rate == 0
    assert control.pruning_rates == {}
    assert not RunFiles(tmp_path / "none").pruning_history.exists()
    made = make_run_config(FIELDS, {"method": "magnitude"})
    assert made.pruning.importance == "magnitude"
    assert made.pruning.seed == 3


def test_another_number_of_classes_is_refused_before_anything_is_written(tmp_path):
    config = make_run_config(FIELDS, {"network.notation": "4C3-AP2-9FC"})
    with pytest.raises(dpap.InputError, match="ends with 9 neurons; digits has 10 classes"):
        trained(tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def at(plain, path):
    for key in path:
        plain = plain[key]
    return plain


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("best", "epoch"), "1", "best, epoch is '1'"),
        (("best", "epoch"), 15, "best, epoch: is 15; expected 1 to 14"),
        (("best", "accuracy"), None, "best, accuracy"),
        (("best", "meets_budget"), 1, "best, meets_budget is 1; expected a value like True"),
        (("learning", "history", 0, "loss"), {"$float": "nan"}, "history, epoch 1, loss is nan"),
        (("learning", "history", 3, "epoch"), 3, "history: epochs are missing"),
        (("learning", "history", 3), [], "history, epoch 4: the state is a list"),
        (("learning", "history"), {}, "history is a dict"),
        (("learning", "history"), [], "its pruner has done 14 epochs, and its history has 0"),
        (("learning", "optimizer", "param_groups", 0, "lr"), -1.0, "lr: expected learning rates"),
        (("learning", "optimizer", "param_groups", 0, "lr"), "high", "lr: expected learning rates"),
        (("learning", "optimizer", "param_groups", 0, "betas"), [0.9, 0.999], "betas: expected"),
        (("learning", "optimizer", "param_groups", 0, "params"), [7], "params: expected"),
        (("learning", "optimizer", "state"), [], "optimizer: the state is a list"),
        (("learning", "schedules"), [], "schedules: expected a list of 2"),
        (("learning", "schedules", 0, "T_max"), 0, "T_max: expected 14"),
        (("learning", "schedules", 0, "last_epoch"), 1.5, "last_epoch: expected a whole number"),
        (("learning", "schedules", 0, "_last_lr"), [], "expected 1 learning rates"),
        (("development", "pruning_rates", "fc1", 3), 1.5, "fc1, pruning_rates: the state holds 1.5"),
        (("development", "pruning_rates", "fc1"), [0.1], "the state has 1 numbers; expected 14"),
        (("development", "neurons_alive", "fc1", 3), 17, "holds 17; expected a whole number from 0 to 16"),
        (("development", "quantiles", "fc1/synapses", 2), [0.5], "fc1/synapses: the state has 1 numbers"),
        (("development", "quantiles", "fc1/synapses"), [[0.5]], "the state is 1 rows; expected a list of 14"),
        (("development", "units"), None, "development, units: the state is a NoneType"),
    ],
)
def test_values_that_a_training_cannot_have_are_refused(whole, tmp_path, path, value, message):
    def change(plain, tensors):
        *parents, last = path
        at(plain["training"], parents)[last] = value
        named = str(plain)
        for name in [name for name in tensors if f"'{name}'" not in named and name.startswith("training/")]:
            del tensors[name]

    change_sealed(whole[0] / "last.safetensors", tmp_path / "last.safetensors", change)
    (tmp_path / "config.yaml").write_text(configuration().to_yaml())
    with pytest.raises(dpap.InputError, match=r"last\.safetensors: .*" + re.escape(message)):
        trained(tmp_path, configuration(), resume=True)


@pytest.mark.parametrize("change", ["shape", "dtype", "nan", "negative"])
def test_tensors_that_an_optimiser_cannot_have_are_refused(whole, tmp_path, change):
    def changed(plain, tensors):
        name = next(name for name in tensors if name.endswith("exp_avg_sq"))
        tensors[name] = {
            "shape": lambda tensor: tensor[:1],
            "dtype": torch.Tensor.double,
            "nan": lambda tensor: tensor * torch.nan,
            "negative": lambda tensor: -1 - tensor,
        }[change](tensors[name])

    change_sealed(whole[0] / "last.safetensors", tmp_path / "last.safetensors", changed)
    (tmp_path / "config.yaml").write_text(configuration().to_yaml())
    with pytest.raises(dpap.InputError, match=r"last\.safetensors: optimizer, \d, exp_avg_sq"):
        trained(tmp_path, configuration(), resume=True)
