import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from test_cli import run

import deploy
from dpap.checkpoint import load_checkpoint
from dpap.data import load_digits

FILES = [
    "certificate.json",
    "checkpoint.safetensors",
    "comparison.json",
    "config.yaml",
    "control",
    "development.npz",
    "early_exit.json",
    "estimate.json",
    "history.csv",
    "measurement.json",
    "model.h5",
    "report.html",
]


def start(*arguments, cwd):
    command = [sys.executable, "-m", "deploy", "demo", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The command as a stranger types it, from a folder of their own, and what it printed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    process = start("--json", cwd=folder)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return json.loads(out), folder, err


def test_it_prints_one_json_object_and_nothing_else(demo):
    result, _, err = demo
    assert set(result) == {"accuracy", "control_accuracy", "pruning_rate", "mismatches", "seconds", "run"}
    assert err == ""


def test_it_learns_and_prunes_and_every_spike_is_equal(demo):
    result, _, _ = demo
    assert result["mismatches"] == 0
    assert result["accuracy"] >= 0.97
    assert result["accuracy"] >= result["control_accuracy"] - 0.01
    assert result["pruning_rate"] >= 0.6


def test_the_run_directory_is_whole_and_alone(demo):
    result, folder, _ = demo
    run = folder / result["run"]
    assert sorted(path.name for path in run.iterdir()) == FILES
    assert [path.name for path in folder.iterdir()] == ["runs"]
    assert [path.name for path in run.parent.iterdir()] == ["demo"]


def test_the_certificate_covers_lava(demo):
    result, folder, _ = demo
    certificate = json.loads((folder / result["run"] / "certificate.json").read_text())
    assert certificate["samples"] == {"fast": 450, "lava": 50}
    assert certificate["mismatches"] == 0
    for layers in certificate["backends"].values():
        assert list(layers) == ["conv1", "conv2", "fc1", "fc2"]
        assert all(layer["spikes"] > 0 for layer in layers.values())


def test_the_files_say_what_was_printed(demo):
    result, folder, _ = demo
    run = folder / result["run"]
    _, test_split = load_digits()
    graph = deploy.load(run / "model.h5")
    recording = deploy.run(graph, test_split.over_time(graph.time_steps))
    assert recording.accuracy(test_split.labels) == result["accuracy"]
    network, pruner = load_checkpoint(run / "checkpoint.safetensors")
    assert deploy.verify(graph, network, test_split.over_time(8), backends=("fast",)).mismatches == 0
    masks = [block.mask for block in network.synaptic_blocks()]
    weights = [block.weight for block in network.synaptic_blocks()]
    kept = sum((weight * 0 + 1).mul(mask).sum().item() for weight, mask in zip(weights, masks, strict=True))
    assert result["pruning_rate"] == pytest.approx(1 - kept / sum(weight.numel() for weight in weights))
    assert pruner["epoch"] == 60
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["network"] for row in rows] == ["dpap"] * 60 + ["control"] * 60
    assert float(rows[59]["pruning_rate"]) == pytest.approx(result["pruning_rate"])
    assert float(rows[119]["test_accuracy"]) == pytest.approx(result["control_accuracy"])
    config = (run / "config.yaml").read_text()
    assert yaml.safe_load(config)["training"]["seed"] == 0
    assert "# lava-nc 0.10.0\n" in config


def test_the_folder_is_a_run_like_any_other(demo, capsys, tmp_path):
    result, folder, _ = demo
    run_folder = tmp_path / "demo"
    shutil.copytree(folder / result["run"], run_folder)
    options = ["--samples", 20, "--lava-samples", 1, "--json"]
    code, out, err = run(capsys, "report", run_folder, *options)
    assert (code, err) == (0, "")
    reported = json.loads(out)
    # Deployed again from the checkpoints, the two networks are what the demonstration said they are.
    assert reported["pruned"]["accuracy"] == result["accuracy"]
    assert reported["control"]["accuracy"] == result["control_accuracy"]
    assert reported["pruned"]["pruning_rate"] == pytest.approx(result["pruning_rate"])
    assert reported["mismatches"] == 0


def test_both_cost_sets_are_priced_apart(demo):
    result, folder, _ = demo
    estimates = json.loads((folder / result["run"] / "estimate.json").read_text())
    for name in ("dpap", "control"):
        sets = estimates[name]["cost_sets"]
        assert set(sets) == {"davies2018", "sanafe_fit"}
        assert all(costs["dynamic_energy"] > 0 and costs["assumptions"] for costs in sets.values())
        # Two published idle powers, each on its own line.
        assert all(len(costs["static_energy"]) == 2 for costs in sets.values())
    for costs in ("davies2018", "sanafe_fit"):
        pruned, control = (estimates[n]["cost_sets"][costs]["dynamic_energy"] for n in ("dpap", "control"))
        assert pruned < control


def command_line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        # It ended since it was listed.
        return ""


def working_processes(process, stage):
    """Descendants of the command, once those of a stage are among them."""
    everyone = psutil.Process(process.pid).children(recursive=True)
    awaited = "backends/lava/worker" if stage == "lava" else "spawn_main"
    return everyone if any(awaited in command_line(child) for child in everyone) else []


def shared_memory():
    return {path.name for path in Path("/dev/shm").iterdir()}


@pytest.mark.parametrize("stage", ["training", "lava"])
def test_ctrl_c_ends_it_at_once_and_leaves_nothing(tmp_path, stage):
    before = shared_memory()
    epochs = 1 if stage == "lava" else 500
    process = start("--epochs", epochs, "--lava-samples", 450, cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not working_processes(process, stage) and time.monotonic() < deadline:
        time.sleep(0.05)
    # Let it get well into its work.
    time.sleep(2)
    children = working_processes(process, stage)
    assert children
    interrupted = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - interrupted < 10
    assert process.returncode == 130
    assert (out, err) == ("", "dpap: error: interrupted\n")
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert shared_memory() <= before
    assert [path for path in tmp_path.rglob("*") if path.name != "runs"] == []
