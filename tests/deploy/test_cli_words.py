"""What a person meets at the command line first: version, help, suggestions, advice, and trying a run out."""

import json
from importlib import metadata

import numpy as np
import pytest
import yaml
from factories import firing_network
from test_cli import fails_with_one_line, run

import deploy
from deploy.cli.words import in_words_of_commands
from dpap.data import load
from dpap.errors import DataError


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"dpap {metadata.version('dpap')}\n", "")


@pytest.mark.parametrize(
    "arguments", [["-h"], ["train", "-h"], ["hardware", "-h"], ["hardware", "list", "-h"]]
)
def test_short_help(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "") and "Usage:" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--lr", "3"], "did you mean '--learning-rate'?"),
        (["train", "--epoch", "3"], "'--epochs'"),
        (["train", "--set", "training.lr=1"], "did you mean 'training.learning_rate'?"),
        (["train", "--data", "minst"], "did you mean 'mnist'?"),
        (["train", "--network", "16c3-AP2-10FC"], "did you mean '16C3'?"),
        (["train", "--nodes", "2"], "MASTER_ADDR, MASTER_PORT, NODE_RANK are not set"),
        (["hardware", "show", "loihi_2"], "did you mean 'loihi2'?"),
    ],
)
def test_what_was_meant_is_said(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    fails_with_one_line(run(capsys, *arguments), 2, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("python", "here"),
    [
        ("they can be taken with subset=True", "they can be taken with --subset"),
        (
            "set DPAP_DATA or root= to it, or download it with dpap.data.load('mnist', download=True)",
            "set DPAP_DATA to it, or download it with dpap train --set data.download=true",
        ),
        ("pass reset='zero' to convert", "pass --reset zero to convert"),
        ("ask for a lower bound (unknown: bound)", "ask for a lower bound (--unknown bound)"),
        ("quantise the network with dpap.quantize, or", "quantise the network by dpap quantize, or"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_advice_is_in_the_words_of_commands(python, here):
    assert in_words_of_commands(python) == here


def test_the_advice_about_data_that_is_missing_is_in_these_words(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("DPAP_DATA", str(tmp_path))
    outcome = run(capsys, "train", "--data", "mnist", "--out", tmp_path / "run")
    fails_with_one_line(outcome, 2, "set DPAP_DATA to", "--set data.download=true")
    # In Python it is Python's.
    with pytest.raises(DataError, match="download=True"):
        load("mnist", "train")


SCHEDULED = {
    "network": {"notation": "4C3-AP2-12FC-10FC"},
    "pruning": {"target": {"pruning_rate": 0.5, "epochs": 14}},
    "training": {
        "epochs": 38,
        "brief": [{"epochs": 24, "time_steps": 2}, {"epochs": 14, "time_steps": 4}],
        "batch_size": 16,
    },
    "execution": {"threads": 1, "device": "cpu"},
}


@pytest.fixture
def scheduled(tmp_path):
    path = tmp_path / "scheduled.yaml"
    path.write_text(yaml.safe_dump(SCHEDULED))
    return path


def test_schedules_scale_with_the_epochs(capsys, tmp_path, scheduled):
    options = ["--epochs", 2, "--set", "data.samples=32", "--json"]
    code, out, err = run(capsys, "train", "--config", scheduled, "--out", tmp_path / "run", *options)
    assert code == 0 and json.loads(out)["epochs"] == 2
    assert err.startswith("dpap: note: for training.epochs 2: pruning.target.epochs 1, training.brief [")
    made = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    # 24 of 38 epochs are 1.26 of two, and all are two.
    assert [part["epochs"] for part in made["training"]["brief"]] == [1, 1]
    assert made["data"]["samples"] == 32


@pytest.mark.parametrize("method", ["dpap", "sdsnn", "none"])
def test_a_run_is_tried_out(capsys, tmp_path, scheduled, method):
    changes = [] if method == "dpap" else ["--set", "pruning.target=null"]
    options = ["--method", method, *changes, "--dev-run", "--json"]
    code, out, _ = run(capsys, "train", "--config", scheduled, "--out", tmp_path / "run", *options)
    result = json.loads(out)
    assert code == 0 and result["epochs"] == (4 if method == "sdsnn" else 1)
    # Four batches of 16 samples.
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]["samples"] == 64
    reported = run(capsys, "report", tmp_path / "run", "--samples", 5, "--lava-samples", 1, "--json")
    assert reported[0] == 0 and json.loads(reported[1])["pruned"]["tested"] == 64


@pytest.fixture
def files(tmp_path):
    """A model, inputs of three samples, and what its output says of them."""
    network = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16)
    graph = deploy.compile(network)
    graph.save(tmp_path / "model.h5")
    inputs = np.random.default_rng(0).integers(0, 17, (3, 4, 1, 8, 8), np.uint8)
    np.save(tmp_path / "inputs.npy", inputs)
    return tmp_path, deploy.run(graph, inputs).predictions


def simulate(capsys, folder, *options):
    arguments = [folder / "model.h5", "--data", folder / "inputs.npy", "--labels", folder / "labels.npy"]
    return run(capsys, "simulate", *arguments, *options, "--json")


def test_labels_of_a_file_give_its_accuracy(capsys, files):
    folder, predictions = files
    labels = predictions.copy()
    labels[2] = (labels[2] + 1) % 10
    np.save(folder / "labels.npy", labels)
    assert json.loads(simulate(capsys, folder)[1])["accuracy"] == pytest.approx(2 / 3)
    assert json.loads(simulate(capsys, folder, "--samples", 2)[1])["accuracy"] == 1


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros(2, int), "one for each of 3 samples"),
        (np.zeros(3), "expected whole numbers"),
        (np.zeros((3, 1), int), "(3, 1)"),
        (np.array([0, 1, 10]), "labels from 0 to 10; the model has the classes 0 to 9"),
        (np.array([0, -1, 1]), "labels from -1 to 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(capsys, files, labels, said):
    folder, _ = files
    np.save(folder / "labels.npy", labels)
    fails_with_one_line(simulate(capsys, folder), 2, said)


def test_labels_of_a_data_set_that_has_its_own_are_refused(capsys, files):
    folder, _ = files
    arguments = ["simulate", folder / "model.h5", "--labels", folder / "labels.npy"]
    fails_with_one_line(run(capsys, *arguments), 2, "digits has labels of its own")
