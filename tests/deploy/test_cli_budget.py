"""``dpap train --budget``: short runs, and one at real size."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from test_cli import fails_with_one_line, run
from test_cli_train import same, train, weights

import deploy
from deploy.budget import budget_cost_function
from dpap.checkpoint import load_checkpoint
from dpap.data import load
from dpap.errors import InputError
from dpap.training.history import read_history
from dpap.training.run import run_training
from dpap.training.run_config import make_run_config
from dpap.training.run_files import RunFiles

SMALL = [
    *("--network", "20C3-AP2-16FC-10FC", "-T", 2, "--threads", 1, "--device", "cpu"),
    *("--learning-rate", 0.005, "--set", "pruning.target.samples=64", "--epochs", 6),
]

FIELDS = {
    "data": {"time_steps": 4, "validation": 847},
    "network": {"notation": "8C3-AP2-16FC-10FC"},
    "pruning": {"target": {"budget": "synops=9000", "epochs": 5, "samples": 32}},
    "training": {"epochs": 6},
    "execution": {"device": "cpu", "threads": 1},
}


def measured(network, config_samples, budget):
    """The value by the public functions, on the samples that a run of seed 0 draws."""
    (split,) = load("digits", "train", time_steps=2)
    chosen = np.sort(np.random.default_rng(0).permutation(len(split))[:config_samples])
    graph = deploy.compile(network)
    measurement = deploy.measure(graph, deploy.run(graph, split.part(chosen).over_time(2)))
    if budget.startswith("synops"):
        return measurement.total("synops_effective") / measurement.samples
    estimate = deploy.estimate(measurement, "loihi1")
    return estimate.energy["sanafe_fit"] if budget.startswith("energy") else estimate.cores


@pytest.mark.parametrize(
    ("budget", "quantity", "limit", "unit"),
    [
        ("synops=9e3", "synops", 9e3, "SynOps"),
        ("energy=2.1uJ:loihi1/sanafe_fit", "energy", 2.1e-6, "J"),
        ("cores=3:loihi1", "cores", 3, "cores"),
    ],
)
def test_a_budget_is_met_by_the_compiled_network(capsys, tmp_path, budget, quantity, limit, unit):
    folder = tmp_path / "run"
    result = train(capsys, *SMALL, "--budget", budget, "--out", folder)
    outcome = result["budget"]
    assert (outcome["quantity"], outcome["limit"], outcome["unit"]) == (quantity, limit, unit)
    assert outcome["met"] is True
    assert outcome["reason"] is None
    assert outcome["measured_on"] == "train"
    for name, value in (
        ("last.safetensors", outcome["value"]),
        ("checkpoint.safetensors", result["best"]["budget"]),
    ):
        network, _ = load_checkpoint(folder / name)
        assert measured(network, 64, budget) == pytest.approx(value, rel=1e-12)
        assert value <= limit
    assert result["best"]["meets_budget"] is True
    (history,) = read_history(folder / "history.csv").values()
    assert history[0].budget > limit, "the budget asked for something"
    assert history[-1].budget == outcome["value"]
    before = history[outcome["epoch_before"] - 1]
    assert before.pruning_rate == 0
    assert history[outcome["epoch_before"]].pruning_rate > 0
    assert outcome["accuracy_cost"] == pytest.approx(before.test_accuracy - result["accuracy"])
    assert "met" in outcome["summary"]
    assert f"after epoch {before.epoch}, the last before pruning" in outcome["summary"]
    if quantity == "cores":
        # 20 channels of 64 neurons are on two cores, 16 fit on one; nothing else is to be freed.
        assert result["pruning_rates"]["conv1"] == pytest.approx(4 / 20)
        assert result["pruning_rates"]["fc2"] == 0
        assert outcome["value"] == 3


def test_accuracy_holds_it_and_it_says_so(capsys, tmp_path):
    arguments = [*SMALL, "--budget", "synops=100", "--min-accuracy", 1]
    result = train(capsys, *arguments, "--out", tmp_path / "run")
    outcome = result["budget"]
    assert outcome["met"] is False
    assert outcome["held_epochs"] == 4, "of six, the first two of which are the first decay"
    assert "nothing more is pruned, since accuracy is" in outcome["reason"]
    assert result["pruning_rate"] == 0


def test_the_table_says_what_came_of_it(capsys, tmp_path):
    arguments = [
        *SMALL,
        "--epochs",
        1,
        "--budget",
        "synops=100",
        "--min-accuracy",
        1,
        "--out",
        tmp_path / "run",
    ]
    code, out, _ = run(capsys, "train", *arguments)
    assert code == 0
    text = " ".join(out.split())
    assert "Budget not met:" in text
    assert "of 100 SynOps" in text


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--budget", "cores=many:loihi1"], ["pruning.target.budget", "'many' is not a number"]),
        (["--budget", "energy=5uJ:loihi1"], ["loihi1/davies2018 or loihi1/sanafe_fit"]),
        (["--budget", "energy=5uJ:loihi2"], ["is unknown", "prove no budget met"]),
        (["--budget", "synops=5", "--target", 0.5], ["--target and --budget: give one of them"]),
        (["--budget", "synops=5", "--method", "none"], ["method none prunes nothing"]),
        (["--target", 0.5, "--min-accuracy", 0.5], ["min_accuracy and max_drop need a budget"]),
        (["--budget", "synops=5", "--min-accuracy", 2], ["min_accuracy", "less than or equal to 1"]),
    ],
)
def test_wrong_budgets_are_refused_before_anything_is_read(capsys, tmp_path, arguments, parts):
    outcome = run(capsys, "train", *arguments, "--out", tmp_path / "run")
    fails_with_one_line(outcome, 2, *parts)
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_interrupted_ends_at_the_same_weights(tmp_path):
    config = make_run_config(FIELDS)
    folders = [tmp_path / name for name in ("whole", "parts")]
    whole = run_training(config, RunFiles(folders[0]), make_cost_function=budget_cost_function)

    class Stopped(Exception):  # noqa: N818
        pass

    def interrupt(record):
        if record.epoch in stops:
            stops.remove(record.epoch)
            raise Stopped

    stops = [3, 4]
    for _ in range(2):
        with pytest.raises(Stopped):
            run_training(
                config,
                RunFiles(folders[1]),
                resume=True,
                on_epoch=interrupt,
                make_cost_function=budget_cost_function,
            )
    parts = run_training(config, RunFiles(folders[1]), resume=True, make_cost_function=budget_cost_function)
    assert same(*(weights(folder) for folder in folders))
    assert parts.history == whole.history
    assert parts.budget == whole.budget
    assert parts.best == whole.best
    assert whole.budget.measured_on == "validation"
    assert whole.budget.met
    # And a run that is whole is read again.
    again = run_training(config, RunFiles(folders[1]), resume=True, make_cost_function=budget_cost_function)
    assert again.budget == whole.budget


def test_without_what_measures_it_a_budget_is_refused(tmp_path):
    with pytest.raises(InputError, match="give run_training make_cost_function"):
        run_training(make_run_config(FIELDS), RunFiles(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.skipif("DPAP_DATA" not in os.environ, reason="DPAP_DATA is not set")
def test_cores_of_the_papers_mnist_network(tmp_path):
    """The network takes 30 cores of Loihi 1 unpruned."""
    if not (Path(os.environ["DPAP_DATA"]) / "mnist").is_dir():
        pytest.skip("no MNIST")
    torch.manual_seed(0)
    fields = {
        "data": {"name": "mnist", "validation": 55000},
        "pruning": {"target": {"budget": "cores=20:loihi1", "epochs": 5, "samples": 128}},
        "training": {"epochs": 6, "learning_rate": 3e-3},
        "execution": {"device": "cpu"},
    }
    result = run_training(
        make_run_config(fields), RunFiles(tmp_path), make_cost_function=budget_cost_function
    )
    assert result.history[0].budget == 30
    assert result.budget.met
    assert result.budget.value in (19, 20)
    assert result.history[-1].test_accuracy > 0.9
