"""``dpap quantize``: what it writes is what it measured."""

import json
import re

import pytest
from factories import firing_network
from test_cli import fails_with_one_line, run

import deploy
from dpap.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    network = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16, weight_bits=None)
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    return tmp_path / "checkpoint.safetensors"


def test_the_quantised_network_is_written_and_measured(capsys, checkpoint, tmp_path):
    out = tmp_path / "run"
    sizes = ("--calibration", 20, "--samples", 40)
    status, printed, err = run(
        capsys,
        *("quantize", checkpoint, "--out", out, "--weight-bits", 4),
        *("--layer-bits", "fc1=2", *sizes),
        "--json",
    )
    assert (status, err) == (0, "")
    content = json.loads(printed)
    assert (content["samples"], content["calibration_samples"]) == (40, 20)
    assert content["accuracy_drop"] == content["original_accuracy"] - content["accuracy"]
    assert [layer["weight_bits"] for layer in content["layers"].values()] == [4, 2, 4]
    assert json.loads((out / "quantization.json").read_text())["layers"] == content["layers"]
    network, _ = load_checkpoint(out / "checkpoint.safetensors")
    assert [block.weight_bits for block in network.synaptic_blocks()] == [4, 2, 4]
    outcome = run(capsys, "simulate", out / "model.h5", "--samples", 40, "--json")
    assert json.loads(outcome[1])["accuracy"] == content["accuracy"]
    graph, again = deploy.load(out / "model.h5"), deploy.compile(network)
    assert graph.stored_weights == again.stored_weights


def test_a_person_reads_the_errors(capsys, checkpoint, tmp_path):
    sizes = ("--calibration", 5, "--samples", 10)
    status, printed, _ = run(capsys, "quantize", checkpoint, "--out", tmp_path / "run", *sizes)
    assert status == 0
    assert "accuracy on 10 samples" in printed and re.search(
        r"[1-9.]\d* points (lost|gained)|nothing lost", printed
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--weight-bits", 9), "weight_bits of conv1 is 9; expected a whole number from 1 to 8"),
        (("--layer-bits", "fc9=4"), "'fc9'; the layers with weights are conv1, fc1, fc2"),
        (("--layer-bits", "fc1"), "'fc1'; expected a layer and a number, as in fc1=4"),
        (("--data", "nowhere"), "'nowhere' is not a data set"),
        (("--data", "mnist"), "mnist by direct encoding has inputs"),
    ],
)
def test_wrong_arguments_are_one_line_and_leave_nothing(capsys, checkpoint, tmp_path, arguments, part):
    outcome = run(capsys, "quantize", checkpoint, "--out", tmp_path / "run", *arguments)
    fails_with_one_line(outcome, 2, part)
    assert not (tmp_path / "run").exists()
