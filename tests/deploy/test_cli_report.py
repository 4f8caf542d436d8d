"""``dpap report``: from the folder of a training run to a report, by way of Lava."""

import json
import re
import shutil

import numpy as np
import pytest
from test_cli import fails_with_one_line, run

import deploy
from deploy.workflow import deployment
from dpap.checkpoint import load_checkpoint
from dpap.data import load_digits
from dpap.training import accuracy
from dpap.training.run import run_training
from dpap.training.run_config import make_run_config
from dpap.training.run_files import RunFiles

FIELDS = {
    "data": {"time_steps": 4, "validation": 900},
    "network": {"notation": "4C3-AP2-24FC-10FC"},
    "training": {"seed": 1, "learning_rate": 0.01, "epochs": 6},
    "execution": {"threads": 1, "device": "cpu"},
    "pruning": {"target": {"pruning_rate": 0.5, "epochs": 5}},
    "sdsnn": {
        "patience": 1,
        "dense": {
            "pruning_percent": 10.0,
            "gain": 0.5,
            "gain_decay": 1.0,
            "growth_percentile": 60.0,
            "alive_weights": 5,
        },
    },
}

WRITTEN = [
    "certificate.json",
    "early_exit.json",
    "estimate.json",
    "measurement.json",
    "model.h5",
    "report.html",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of DPAP, its control, and a run of SD-SNN, as dpap train leaves them."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("dpap", "none", "sdsnn"):
        changes = {"method": method} | ({} if method == "dpap" else {"pruning.target": None})
        run_training(make_run_config(FIELDS, changes), RunFiles(folder / method))
    return folder


@pytest.fixture
def copied(runs, tmp_path):
    """A folder with the run of DPAP, to be damaged."""
    shutil.copytree(runs / "dpap", tmp_path / "dpap")
    return tmp_path / "dpap"


def trained_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in WRITTEN}


@pytest.mark.parametrize(("method", "control"), [("dpap", "none"), ("sdsnn", None)])
def test_a_run_is_compiled_verified_measured_priced_and_reported(capsys, runs, method, control):
    folder = runs / method
    before = trained_files(folder)
    # Of an earlier report, perhaps beside a control.
    (folder / "comparison.json").write_text("{}")
    arguments = ["--control", runs / control] if control else []
    options = ["--samples", 60, "--lava-samples", 2, "--json"]
    code, out, err = run(capsys, "report", folder, *arguments, *options)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["mismatches"] == 0 < result["compared"]
    assert result["samples"] == {"fast": 60, "lava": 2}
    assert ("control" in result) == bool(control)
    # The training's own files are as they were, and what the contract asks for is beside them.
    after = {path.name for path in folder.iterdir()}
    assert after >= {*before, *WRITTEN} and ("comparison.json" in after) == bool(control)
    assert {name: content for name, content in trained_files(folder).items() if name in before} == before
    # What is said is what the files give: the whole test part, by torch and by the integers.
    _, test_split = load_digits()
    graph = deploy.load(folder / "model.h5")
    network, _ = load_checkpoint(folder / "checkpoint.safetensors")
    recording = deploy.run(graph, test_split.over_time(4))
    pruned = result["pruned"]
    assert pruned["tested"] == 450
    assert pruned["accuracy"] == recording.accuracy(test_split.labels)
    assert pruned["trained_accuracy"] == accuracy(network, test_split)
    assert abs(pruned["accuracy"] - pruned["trained_accuracy"]) <= 0.001
    certificate = json.loads((folder / "certificate.json").read_text())
    assert set(certificate["backends"]) == {"fast", "lava"} and certificate["mismatches"] == 0
    assert json.loads((folder / "measurement.json").read_text())[method]["samples"] == 60
    page = (folder / "report.html").read_text()
    assert 'id="development"' in page
    assert ("Spine ranges over epochs" in page) == (method == "sdsnn")
    assert ("Survival functions in the last epochs" in page) == (method == "dpap")
    assert ("What pruning saved" in page) == bool(control)


@pytest.mark.parametrize("method", ["dpap", "sdsnn"])
def test_the_pruning_rate_is_the_training_s(runs, method):
    from deploy.workflow.trained_run import read_trained_run

    trained = read_trained_run(runs / method)
    pruning = deployment.layer_pruning(trained.network, trained.trained().masks)
    rates = {name: layer.synapses_pruned / layer.synapses for name, layer in pruning.items()}
    recorded = {
        name: layer.pruning_rate[trained.epoch - 1] for name, layer in trained.pruning_history.layers.items()
    }
    assert rates == pytest.approx(recorded)
    assert max(rates.values()) > 0


def test_a_spike_that_differs_is_a_failure_and_is_reported(capsys, copied, monkeypatch):
    original = deployment.run

    def disturbed(graph, inputs, backend="fast", **options):
        # Instead of Lava, to be quick: a recording in which one spike is another.
        recording = original(graph, inputs)
        if backend == "lava":
            kept = {name: spikes.copy() for name, spikes in recording.kept.items()}
            kept["fc2"][0, 0, 0] ^= 1
            return deploy.Recording(graph, recording.inputs, kept, "lava", 0.0)
        return recording

    monkeypatch.setattr(deployment, "run", disturbed)
    code, out, _ = run(capsys, "report", copied, "--samples", 5, "--json")
    assert code == 1
    assert json.loads(out)["mismatches"] == 1
    assert "1 spikes differ" in (copied / "report.html").read_text()


def damage(folder, name, how):
    path = folder / name
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
    else:
        path.write_bytes(how)


@pytest.mark.parametrize(
    ("name", "how", "part"),
    [
        ("checkpoint.safetensors", "missing", "checkpoint.safetensors: no such file; copy last.safetensors"),
        ("checkpoint.safetensors", "truncated", "checkpoint.safetensors: not a checkpoint"),
        ("development.npz", "missing", "development.npz: no such file"),
        ("development.npz", "truncated", "development.npz: not a file of a pruning history, or damaged"),
        ("development.npz", b"", "development.npz: not a file of a pruning history"),
        ("history.csv", "missing", "history.csv: cannot be read"),
        ("history.csv", b"network,epoch\n", "history.csv: holds the epochs of nothing"),
        ("config.yaml", "missing", "holds no run of dpap train"),
        ("config.yaml", b"method: dpap\nnetwork: 4C3\n", "config.yaml: network is '4C3'"),
        ("config.yaml", b"network: {notation: 4C3-AP2-10FC}\n", "config.yaml names 4C3-AP2-10FC"),
    ],
)
def test_a_damaged_run_is_one_line(capsys, copied, name, how, part):
    damage(copied, name, how)
    before = {path.name: path.stat().st_mtime_ns for path in copied.iterdir()}
    fails_with_one_line(run(capsys, "report", copied), 2, part)
    assert {path.name: path.stat().st_mtime_ns for path in copied.iterdir()} == before


def test_what_is_advised_without_the_best_checkpoint_helps(capsys, copied):
    options = ["--samples", 5, "--lava-samples", 1, "--json"]
    files = RunFiles(copied)
    files.best.unlink()
    shutil.copyfile(files.last, files.best)
    code, out, _ = run(capsys, "report", copied, *options)
    assert code == 0 and json.loads(out)["mismatches"] == 0
    files.best.unlink()
    files.last.unlink()
    outcome = run(capsys, "report", copied)
    fails_with_one_line(outcome, 2, "train the run again: dpap train --config ")
    command = re.search("dpap (train .*), which replaces", outcome[2])[1]
    code, _, _ = run(capsys, *command.split())
    assert code == 0
    assert run(capsys, "report", copied, *options)[0] == 0


def test_a_run_that_begins_anew_has_no_report(runs, copied):
    (copied / "report.html").write_text("of the run before")
    changes = {"method": "none", "pruning.target": None, "training.epochs": 1}
    run_training(make_run_config(FIELDS, changes), RunFiles(copied))
    assert sorted(path.name for path in copied.iterdir()) == [
        "checkpoint.safetensors",
        "config.yaml",
        "history.csv",
        "last.safetensors",
    ]


def test_a_record_that_holds_objects_is_refused(capsys, copied):
    np.savez(copied / "development.npz", **{"fc1/pruning_rate": np.array([print], dtype=object)})
    fails_with_one_line(run(capsys, "report", copied), 2, "development.npz", "allow_pickle=False")


def test_a_record_of_another_network_is_refused(capsys, copied):
    rates = {"fc9/pruning_rate": np.zeros(6), "fc9/neurons_alive": np.ones(6, int)}
    np.savez(copied / "development.npz", **rates)
    fails_with_one_line(run(capsys, "report", copied), 2, "is of the layers fc9", "conv1, fc1, fc2")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--control", "nowhere"], "nowhere holds no run"),
        (["--hardware", "loihi9"], "loihi9"),
        (["--unknown", "guess"], "--unknown is 'guess'"),
        (["--samples", 0], "--samples"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, copied, arguments, part):
    fails_with_one_line(run(capsys, "report", copied, *arguments), 2, part)


def test_a_control_of_other_data_is_refused(capsys, copied, tmp_path):
    config = make_run_config(
        FIELDS, {"method": "none", "pruning.target": None, "data.time_steps": 3, "training.epochs": 1}
    )
    run_training(config, RunFiles(tmp_path / "other"))
    outcome = run(capsys, "report", copied, "--control", tmp_path / "other")
    fails_with_one_line(outcome, 2, "differs from", "data.time_steps")


def test_a_checkpoint_is_compiled_by_export(capsys, runs, tmp_path):
    path = tmp_path / "model.h5"
    code, _, err = run(capsys, "export", runs / "dpap" / "checkpoint.safetensors", "--to", path)
    assert (code, err) == (0, "")
    network, _ = load_checkpoint(runs / "dpap" / "checkpoint.safetensors")
    _, test_split = load_digits()
    inputs = test_split.over_time(4, 20)
    assert deploy.verify(deploy.load(path), network, inputs, backends=("fast",)).mismatches == 0
