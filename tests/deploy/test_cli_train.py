"""``dpap train``."""

import json
import os
import subprocess
import sys

import pytest
import torch
import yaml
from test_cli import fails_with_one_line, run

import dpap
from dpap.checkpoint import load_checkpoint
from dpap.training import TrainingConfig, convergence, read_history
from dpap.training.run import Run

SMALL = ["--network", "4C3-AP2-16FC-10FC", "-T", 4, "--threads", 1, "--device", "cpu"]


def train(capsys, *arguments):
    """The JSON object of a training that went well; a tiny network may be warned of."""
    code, out, err = run(capsys, "train", *arguments, "--json")
    assert code == 0 and all(line.startswith("dpap: warning: ") for line in err.splitlines()), err
    return json.loads(out)


@pytest.fixture
def begun(capsys, tmp_path):
    folder = tmp_path / "run"
    return folder, train(capsys, *SMALL, "--epochs", 4, "--seed", 2, "--target", 0.4, "--out", folder)


def weights(folder, name="last.safetensors"):
    return load_checkpoint(folder / name)[0].state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_is_repeated_by_its_config_and_flags_override_it(capsys, tmp_path, begun):
    folder, result = begun
    assert result["epochs"] == 4
    assert result["run"] == str(folder)
    assert result["pruning_rate"] == pytest.approx(0.4, abs=0.05)
    # Weights: 4 kernels of 9, 16 neurons of 4 x 4 x 4 inputs, 10 of 16.
    counts = {"conv1": 36, "fc1": 1024, "fc2": 160}
    removed = sum(rate * counts[name] for name, rate in result["pruning_rates"].items())
    assert result["pruning_rate"] == pytest.approx(removed / 1220)
    (history,) = read_history(folder / "history.csv").values()
    assert history[-1].test_accuracy == result["accuracy"]
    assert history[result["best"]["epoch"] - 1].test_accuracy == result["best"]["accuracy"]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["training"]["seed"] == config["pruning"]["seed"] == 2
    assert config["pruning"]["target"]["epochs"] == 3  # three quarters of four
    again = train(capsys, "--config", folder / "config.yaml", "--out", tmp_path / "again")
    assert again["accuracy"] == result["accuracy"]
    assert same(weights(folder), weights(tmp_path / "again"))
    other = train(capsys, "--config", folder / "config.yaml", "--out", tmp_path / "other", "--seed", 3)
    assert not same(weights(folder), weights(tmp_path / "other"))
    assert other["epochs"] == 4


def test_a_network_of_rectified_linear_units_is_trained_and_read_again(capsys, tmp_path):
    arguments = [
        *("--network", "4C3-MP2-16FC-10FC", "-T", 1, "--set", "network.neuron.type=relu"),
        *("--learning-rate", 0.005),
        *("--threads", 1, "--device", "cpu", "--epochs", 3, "--out", tmp_path / "run"),
    ]
    result = train(capsys, *arguments)
    network, _ = load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert network.neuron == dpap.ReLU()
    assert result["accuracy"] > 0.5


def test_outputs_that_never_fire_are_named(capsys, tmp_path):
    # No synaptic sum reaches a threshold of 1000.
    deaf = [*SMALL, "--set", "network.neuron={type: lif, threshold: 1000}", "--epochs", 1, "--out"]
    assert train(capsys, *deaf, tmp_path / "a")["silent_classes"] == list(range(10))
    code, out, err = run(capsys, "train", *deaf, tmp_path / "b")
    assert code == 0 and len(err.splitlines()) == 2, "what runs where, and the epoch"
    assert "classes 0, 1, 2" in out and "lower learning rate" in out


def test_every_setting_can_be_given(capsys, tmp_path):
    arguments = [
        *("--data", "digits-events", "--method", "none", "--epochs", 2, "--batch", 200, "--optimiser", "sgd"),
        *("--learning-rate", 0.1, "--loss", "cross-entropy", "--validation", 900),
        *(
            "--set",
            "training.label_smoothing=0.1",
            "--set",
            "training.clip_norm=1",
            "--set",
            "network.bias=true",
        ),
    ]
    folder = tmp_path / "run"
    result = train(capsys, *SMALL, *arguments, "--out", folder)
    assert result["pruning_rate"] == 0
    assert 0 <= result["validation_accuracy"] <= 1
    training = yaml.safe_load((folder / "config.yaml").read_text())["training"]
    wanted = TrainingConfig(
        epochs=2,
        batch_size=200,
        optimizer="sgd",
        learning_rate=0.1,
        loss="cross-entropy",
        label_smoothing=0.1,
        clip_norm=1,
    )
    assert TrainingConfig(**training) == wanted
    assert load_checkpoint(folder / "checkpoint.safetensors")[0].bias is True


def test_a_folder_with_a_run_is_not_replaced_unless_asked(capsys, begun):
    folder, _ = begun
    before = (folder / "last.safetensors").read_bytes()
    outcome = run(capsys, "train", *SMALL, "--epochs", 1, "--out", folder)
    fails_with_one_line(outcome, 2, "holds a run", "--resume", "--overwrite")
    assert (folder / "last.safetensors").read_bytes() == before
    assert train(capsys, *SMALL, "--epochs", 1, "--out", folder, "--overwrite")["epochs"] == 1


def test_a_finished_run_is_resumed_as_it_is(capsys, begun):
    folder, result = begun
    again = train(capsys, "--resume", "--out", folder)
    assert {**again, "seconds": 0} == {**result, "seconds": 0}
    outcome = run(capsys, "train", "--resume", "--out", folder, "--epochs", 9, "--batch", 7)
    fails_with_one_line(outcome, 2, "begun with another training.batch_size, training.epochs")


def test_it_prints_a_table(capsys, tmp_path):
    code, out, err = run(capsys, "train", *SMALL, "--epochs", 1, "--out", tmp_path / "run")
    assert code == 0 and len(err.splitlines()) == 2, "what runs where, and the epoch"
    for text in ("test accuracy", "synapses pruned", "best by training accuracy", str(tmp_path / "run")):
        assert text in out.replace("\n", "")


def test_settings_are_chosen_without_a_look_at_the_test_part(capsys, tmp_path, monkeypatch):
    from dpap.training import start

    loaded = []
    load = start.load
    monkeypatch.setattr(
        start, "load", lambda name, *parts, **kind: loaded.append(parts) or load(name, *parts, **kind)
    )
    arguments = [*SMALL, "--epochs", 2, "--validation", 847, "--budget", "synops=1e6", "--out"]
    blind = train(capsys, *arguments, tmp_path / "blind", "--no-test")
    seen = train(capsys, *arguments, tmp_path / "seen")
    assert loaded == [("train", "validation"), ("train", "test", "validation")]
    # The same training, of which less is known.
    assert same(weights(tmp_path / "blind"), weights(tmp_path / "seen"))
    assert blind["accuracy"] is blind["best"]["accuracy"] is blind["budget"]["test_accuracy"] is None
    assert blind["validation_accuracy"] == seen["validation_accuracy"]
    assert seen["accuracy"] is not None
    assert "test_accuracy" not in (tmp_path / "blind" / "history.csv").read_text()
    code, out, _ = run(capsys, "train", *arguments[:-1], "--no-test", "--resume", "--out", tmp_path / "blind")
    assert code == 0
    assert "validation accuracy" in out and "est accuracy" not in out
    outcome = run(capsys, "train", *arguments, tmp_path / "blind", "--resume", "--set", "data.test=true")
    fails_with_one_line(outcome, 2, "begun with another data.test")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--data", "mnits"], ["data.name", "'mnits' is not known", "mnist"]),
        (["--network", "8C3-XP2-10FC"], ["token 2", "'XP2'"]),
        (["--network", "8C3-AP2-9FC"], ["9 neurons", "10 classes"]),
        (["--method", "sparse"], ["method 'sparse' is not known", "magnitude"]),
        (["--epochs", 0], ["training.epochs is 0", "greater than or equal to 1"]),
        (["--epochs", "many"], ["many"]),
        (["--learning-rate", "nan"], ["training.learning_rate is nan"]),
        (["--target", 1.5], ["pruning.target.pruning_rate is 1.5", "less than 1"]),
        (["--target", 0.5, "--synops", 9], ["--target and --synops"]),
        (["--target", 0.5, "--method", "none"], ["method none prunes nothing"]),
        (
            ["--budget", "synops=2e5", "--set", "network.weight_bits=null"],
            ["budget synops=200000", "weight_bits null weights are not rounded", "pruning_rate"],
        ),
        (["--target", 0.5, "--method", "sdsnn"], ["method sdsnn finds its own pruning rate"]),
        (["--synops", 9, "--method", "sdsnn"], ["method sdsnn finds its own pruning rate"]),
        (["--epochs", 37, "--method", "sdsnn"], ["prunes from epoch 38 on", "training.epochs is 37"]),
        (["--method", "sdsnn", "--set", "sdsnn.patience=0"], ["sdsnn.patience is 0"]),
        (
            [*SMALL, "--target", 0.9, "--set", "pruning.left_out=[conv1, fc1]"],
            ["target.pruning_rate is 0.9", "at most"],
        ),
        (["--loss", "hinge"], ["training.loss is 'hinge'", "'mse' or 'cross-entropy'"]),
        (["--device", "tpu"], ["execution.device is 'tpu'"]),
        (["--set", "training.speed=3"], ["training.speed is not a field"]),
        (["--set", "training"], ["--set 'training'", "expected a field and a value"]),
        (["--set", "pruning.floor=[1, 2]"], ["pruning.floor is [1, 2]"]),
        (["--validation", 1345], ["1345 of 1347", "held back"]),
        (["--no-test"], ["data: test is off and validation is 0", "data.validation"]),
        (["--data", "fashion-mnist"], ["network.notation is missing"]),
        (["--resume"], ["holds no run to resume"]),
        (["--config", "none.yaml"], ["none.yaml", "No such file"]),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(capsys, tmp_path, arguments, parts):
    fails_with_one_line(run(capsys, "train", "--out", tmp_path / "run", *arguments), 2, *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("training: {epochs: 3", "is not YAML"),
        ("- 1\n- 2\n", "expected a mapping"),
        ("3: 4\n", "expected a mapping"),
        ("training: 7\n", "training is 7; expected fields with their values"),
        ("training: {cycles: null}\n", "training.cycles is null; expected a list"),
        ("training: {epochs: .inf}\n", "training.epochs is inf"),
        ("method: !!python/name:os.system\n", "is not YAML"),
        ("networks: {}\n", "networks is not a field"),
        ("\x00", "is not YAML"),
    ],
)
def test_a_wrong_file_is_named(capsys, tmp_path, text, part):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    outcome = run(capsys, "train", "--config", path, "--out", tmp_path / "run")
    fails_with_one_line(outcome, 2, "wrong.yaml", part)


@pytest.mark.parametrize("out", ["/proc/run", "/dev/null"])
def test_a_folder_that_cannot_be_written_is_named(capsys, out):
    fails_with_one_line(run(capsys, "train", *SMALL, "--epochs", 1, "--out", out), 2, out)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named(capsys, tmp_path):
    outcome = run(capsys, "train", "--device", "cuda", "--out", tmp_path / "run")
    fails_with_one_line(outcome, 2, "execution.device is cuda")


def test_a_loss_that_is_not_finite_is_a_failure(capsys, tmp_path, monkeypatch):
    from dpap.training import trainer

    def not_finite(network, config):
        return lambda output, labels: output.sum() * float("inf")

    monkeypatch.setattr(trainer, "loss_of", not_finite)
    outcome = run(capsys, "train", *SMALL, "--epochs", 1, "--out", tmp_path / "run", "--json")
    fails_with_one_line(outcome, 1, "epoch 1", "no epoch was completed")


@pytest.mark.slow
def test_two_processes_learn_as_one(capsys, tmp_path):
    arguments = [*SMALL, "--epochs", 4, "--target", 0.5, "--batch", 50]
    alone = train(capsys, *arguments, "--out", tmp_path / "one")
    command = [sys.executable, "-m", "deploy", "train", *arguments, "--out", tmp_path / "two"]
    done = subprocess.run(
        [*map(str, command), "--devices", "2", "--json"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    together = json.loads(done.stdout)
    for name in ("accuracy", "pruning_rate", "pruning_rates", "best"):
        assert together[name] == alone[name]
    (one,), (two,) = (read_history(tmp_path / name / "history.csv").values() for name in ("one", "two"))
    assert [record.loss for record in one] == pytest.approx([record.loss for record in two], rel=1e-4)
    assert convergence(two, one).speedup == 1


def test_its_process_keeps_the_memory_that_it_frees(capsys, tmp_path, monkeypatch):
    reported = []
    monkeypatch.setattr("dpap.runtime.allocator.keep_freed_memory", lambda: reported.append("kept"))
    train(capsys, *SMALL, "--epochs", 1, "--method", "none", "--out", tmp_path / "run")
    assert reported == ["kept"]


def test_an_interruption_says_what_is_lost_and_how_to_go_on(capsys, tmp_path, monkeypatch):
    written = Run._write

    def then_stop(self):
        written(self)
        if len(self.trainer.history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "_write", then_stop)
        code, _, err = run(capsys, "train", *SMALL, "--epochs", 3, "--out", tmp_path / "run")
    assert code == 130
    assert "samples, T = 4, 4C3-AP2-16FC-10FC" in err.splitlines()[0]
    last = err.splitlines()[-1]
    assert last.startswith("dpap: error: interrupted after epoch ")
    assert "what was learned since the last whole epoch is lost" in last
    # The command that is advised works.
    code, out, _ = run(capsys, *last.rpartition("Go on with: dpap ")[2].split(), "--json")
    assert code == 0 and json.loads(out)["epochs"] == 3
