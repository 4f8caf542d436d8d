import json
import subprocess
import sys

import numpy as np
import pytest
from factories import firing_network

import deploy
from deploy.cli import main
from deploy.cli.output import print_table
from dpap.checkpoint import save_checkpoint


def run(capsys, *arguments):
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return done.value.code, captured.out, captured.err


@pytest.fixture
def model(tmp_path):
    network = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16)
    deploy.compile(network).save(tmp_path / "model.h5")
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    return tmp_path / "model.h5"


def fails_with_one_line(outcome, status, *parts):
    code, out, err = outcome
    assert code == status
    assert out == ""
    assert err.startswith("dpap: error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("network", "parts"),
    [
        ("8C3-XP2-10FC", ("token 2", "'XP2'", "is not known")),
        ("8C3-AP9-10FC", ("AP9", "window")),
        ("10FC-8C3", ("needs an input of (C, H, W)",)),
        ("", ("token 1",)),
    ],
)
def test_demo_refuses_a_wrong_network_and_leaves_nothing(capsys, tmp_path, network, parts):
    outcome = run(capsys, "demo", "--out", tmp_path / "run", "--network", network)
    fails_with_one_line(outcome, 2, *parts)
    assert list(tmp_path.iterdir()) == []


def test_demo_refuses_a_network_with_another_number_of_classes(capsys, tmp_path):
    outcome = run(capsys, "demo", "--out", tmp_path / "run", "--network", "8C3-AP2-7FC")
    fails_with_one_line(outcome, 2, "7", "10 classes")


def test_demo_refuses_what_cannot_be_compiled_before_it_trains(capsys, tmp_path):
    outcome = run(capsys, "demo", "--out", tmp_path / "run", "--network", "4C3-AP2-MP2-10FC")
    fails_with_one_line(outcome, 2, "pool2", "the maximum over anything but spikes")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["/proc/run", "/dev/null"])
def test_demo_refuses_a_folder_that_cannot_be_written(capsys, out):
    fails_with_one_line(run(capsys, "demo", "--out", out), 2, out)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["demo", "--seed", "-1"], "-1"),
        (["demo", "--seed", "one"], "one"),
        (["demo", "--colour"], "--colour"),
        (["deploy"], "deploy"),
        (["simulate"], "model"),
    ],
)
def test_wrong_arguments(capsys, arguments, part):
    fails_with_one_line(run(capsys, *arguments), 2, part)


def test_simulate_json(capsys, model):
    code, out, err = run(capsys, "simulate", model, "--samples", 30, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["samples"] == 30
    assert 0 <= result["accuracy"] <= 1
    assert result["layers"]["fc1"]["synops_effective"] > 0
    assert result["samples_per_second"] > 0


def test_simulate_prints_a_table(capsys, model):
    code, out, _ = run(capsys, "simulate", model, "--samples", 5)
    assert code == 0
    for text in ("conv1", "fc2", "SynOps", "accuracy", "5 samples"):
        assert text in out


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: b"", "damaged"),
        (lambda data: b"PK\x03\x04 something else", "not a model file"),
    ],
)
def test_simulate_refuses_a_damaged_model(capsys, model, damage, part):
    model.write_bytes(damage(model.read_bytes()))
    fails_with_one_line(run(capsys, "simulate", model), 2, "model.h5", part)


def test_simulate_refuses_a_missing_model_and_backend(capsys, model):
    fails_with_one_line(run(capsys, "simulate", "none.h5"), 2, "none.h5: no such file")
    fails_with_one_line(run(capsys, "simulate", model, "--backend", "brian"), 2, "'brian' is not known")
    fails_with_one_line(run(capsys, "simulate", model, "--backend", "loihi2"), 2, "loihi2")


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        (np.full((2, 4, 1, 8, 8), np.nan), "nan; expected whole numbers from 0 to 16"),
        (np.zeros((2, 4, 1, 8, 9)), "expected (N, 4, 1, 8, 8)"),
        (np.full((2, 4, 1, 8, 8), 17), "17; expected"),
        (np.array([{}]), "damaged"),
    ],
)
def test_simulate_refuses_wrong_inputs(capsys, model, tmp_path, inputs, part):
    np.save(tmp_path / "inputs.npy", inputs)
    fails_with_one_line(run(capsys, "simulate", model, "--data", tmp_path / "inputs.npy"), 2, part)


def test_simulate_refuses_other_data(capsys, model, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    fails_with_one_line(run(capsys, "simulate", model, "--data", "mnits"), 2, "'mnits' is neither")
    fails_with_one_line(run(capsys, "simulate", model, "--data", tmp_path / "bad.npy"), 2, "damaged")
    fails_with_one_line(run(capsys, "simulate", model, "--data", tmp_path / "many.npz"), 2, "archive")


def test_simulate_runs_inputs_of_a_file(capsys, model, tmp_path):
    np.save(tmp_path / "inputs.npy", np.ones((3, 4, 1, 8, 8)))
    code, out, _ = run(capsys, "simulate", model, "--data", tmp_path / "inputs.npy", "--json")
    assert code == 0
    assert json.loads(out)["samples"] == 3
    assert json.loads(out)["accuracy"] is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (
            ["--data", "mnist"],
            "mnist by direct encoding has inputs (1, 28, 28) from 0 to 16",
        ),
        (
            ["--data", "digits", "--encoder", "rate"],
            "from 0 to 1; the model takes (1, 8, 8) from 0 to 16",
        ),
        (["--data", "digits", "--encoder", "phase"], "'phase' is not known; there are direct, rate, latency"),
        (["--data", "digits", "--split", "dev"], "split 'dev' is not known; there are train and test"),
        (["--data", "nmnist"], "nmnist by frames encoding has inputs (2, 8, 8)"),
        (["--data", "inputs.npy", "--split", "train"], "'inputs.npy': a split, an encoder or a subset"),
    ],
)
def test_simulate_refuses_data_that_do_not_fit(capsys, model, arguments, part):
    fails_with_one_line(run(capsys, "simulate", model, *arguments), 2, part)


def test_simulate_names_a_missing_data_set(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("DPAP_DATA", str(tmp_path))
    network = firing_network("12FC-10FC", (1, 28, 28), 4, input_max=15)
    deploy.compile(network).save(tmp_path / "model.h5")
    outcome = run(capsys, "simulate", tmp_path / "model.h5", "--data", "mnist")
    fails_with_one_line(outcome, 2, "train-images-idx3-ubyte is missing", "DPAP_DATA")


def test_simulate_runs_the_training_part(capsys, model):
    code, out, _ = run(capsys, "simulate", model, "--data", "digits", "--split", "train", "--json")
    assert code == 0
    assert json.loads(out)["samples"] == 1347


@pytest.mark.parametrize(
    ("data", "options", "shape", "input_max"),
    [
        ("digits", ["--encoder", "rate"], (1, 8, 8), 1),
        ("digits", ["--encoder", "latency"], (1, 8, 8), 1),
        ("digits-events", [], (2, 12, 12), 1),
        ("digits-events", [], (2, 6, 6), 3),
    ],
)
def test_data_are_encoded_for_the_model(capsys, tmp_path, data, options, shape, input_max):
    network = firing_network("12FC-10FC", shape, 5, input_max=input_max)
    deploy.compile(network).save(tmp_path / "model.h5")
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    arguments = [tmp_path / "model.h5", "--data", data, *options, "--samples", 20, "--json"]
    code, out, _ = run(capsys, "simulate", *arguments)
    assert code == 0
    result = json.loads(out)
    assert result["samples"] == 20
    assert result["layers"]["fc1"]["spikes"] > 0
    checkpoint = ["--checkpoint", tmp_path / "checkpoint.safetensors", "--backend", "fast"]
    code, out, _ = run(capsys, "verify", *arguments, *checkpoint)
    assert (code, json.loads(out)["mismatches"]) == (0, 0)


def test_verify_finds_no_mismatch_and_finds_one(capsys, model, tmp_path):
    arguments = ["verify", model, "--checkpoint", tmp_path / "checkpoint.safetensors", "--samples", 9]
    code, out, _ = run(capsys, *arguments, "--backend", "fast", "--json")
    assert code == 0
    assert json.loads(out)["mismatches"] == 0
    other = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16, seed=5)
    save_checkpoint(tmp_path / "checkpoint.safetensors", other)
    code, out, _ = run(capsys, *arguments, "--backend", "fast")
    assert code == 1
    assert "first mismatch" in out
    assert "expected" in out


def test_verify_names_what_differs(capsys, model, tmp_path):
    other = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16, seed=5)
    save_checkpoint(tmp_path / "other.safetensors", other)
    arguments = [
        "verify",
        model,
        "--samples",
        9,
        "--backend",
        "fast",
        "--checkpoint",
        tmp_path / "other.safetensors",
    ]
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (1, "")
    result = json.loads(out)
    layers = result["backends"]["fast"]
    assert result["mismatches"] == sum(layer["mismatches"] for layer in layers.values()) > 0
    first = layers["conv1"]["first_mismatch"]
    assert 0 <= first["step"] < 4
    assert len(first["neuron"]) == 3
    assert {first["expected"], first["actual"]} == {0, 1}
    code, out, _ = run(capsys, *arguments)
    assert code == 1
    # Cells are folded on a narrow terminal.
    text = "".join(out.split())
    assert "conv1" in text
    assert f"step{first['step']}" in text


def test_verify_takes_the_checkpoint_beside_the_model(capsys, model):
    code, out, _ = run(capsys, "verify", model, "--samples", 3, "--backend", "fast", "--json")
    assert (code, json.loads(out)["reference"]) == (0, "torch evaluation")


def test_verify_without_a_checkpoint_compares_backends(capsys, model, tmp_path):
    (tmp_path / "checkpoint.safetensors").unlink()
    code, out, _ = run(capsys, "verify", model, "--samples", 3, "--json")
    result = json.loads(out)
    assert (code, result["mismatches"]) == (0, 0)
    assert result["reference"] == "the fast backend"
    assert list(result["backends"]) == ["lava"]
    assert result["backends"]["lava"]["fc1"]["spikes"] > 0
    missing = run(capsys, "verify", model, "--checkpoint", tmp_path / "none.safetensors")
    fails_with_one_line(missing, 2, "none.safetensors")


def test_verify_on_a_board_that_is_not_there(capsys, model):
    outcome = run(capsys, "verify", model, "--samples", 3, "--backend", "loihi2")
    fails_with_one_line(outcome, 2, "Loihi extension", "nothing is measured")


def test_doctor_says_what_works(capsys):
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 0
    result = json.loads(out)
    checks = {check["name"]: check for check in result["checks"]}
    assert checks["Lava CPU simulator"]["status"] == "ok"
    assert checks["lava-dl SLAYER"]["status"] == "ok"
    assert checks["Loihi extension"]["status"] == "not available"
    assert result["versions"]["lava-nc"] == "0.10.0"
    assert result["versions"]["python"].startswith("3.10.")


def test_help_does_not_wait_for_torch():
    script = "import sys, deploy.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_debug_shows_the_traceback(capsys):
    code, _, err = run(capsys, "simulate", "none.h5", "--debug")
    assert code == 2
    assert "Traceback" in err


def test_simulate_records_layers_to_a_file(capsys, model, tmp_path):
    path = tmp_path / "run.h5"
    options = ["--samples", 20, "--record", "conv1, fc1", "--record-to", path, "--threads", 1]
    code, out, err = run(capsys, "simulate", model, *options, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    # fc2, the output, is recorded always.
    assert set(result["layers"]) == {"conv1", "fc1", "fc2"}
    recording = deploy.load_recording(path)
    assert set(recording.kept) == {"conv1", "fc1", "fc2"}
    for name, layer in result["layers"].items():
        assert recording.kept[name].sum() == layer["spikes"]
    code, out, _ = run(capsys, "simulate", model, *options)
    assert code == 0
    assert "a second" in out
    assert "run.h5" in out


def test_simulate_measures_what_was_recorded(capsys, model):
    code, out, _ = run(capsys, "simulate", model, "--samples", 3, "--record", "conv1", "--json")
    assert code == 0
    # fc1 was not recorded, so nothing is known of its operations, nor of those of fc2, whose source it is.
    assert list(json.loads(out)["layers"]) == ["conv1"]
    assert json.loads(out)["ties"] == "the lowest class"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--record", "fc9"], "no layer fc9 to record"),
        (["--threads", 0], "threads"),
        (["--record-to", "/dev/null/run.h5"], "cannot write /dev/null/run.h5"),
        (["--backend", "lava", "--threads", 2], "--threads: only for the fast backend"),
        (["--backend", "lava", "--record", "fc1", "--record-to", "x"], "--record, --record-to: only for the"),
    ],
)
def test_simulate_refuses_wrong_options(capsys, model, options, part):
    fails_with_one_line(run(capsys, "simulate", model, "--samples", 2, *options), 2, part)


def test_names_that_look_like_markup_are_printed_as_they_are(capsys):
    print_table(["layer"], [["[/red]"], ["[bold]fc1"]], title="[/green]")
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("[/red]", "[bold]fc1", "[/green]"))
