"""Every way to train, through every command: rows of a pairwise covering on tiny networks.

A refusal passes only where :data:`REFUSALS` names it, with the words of the documentation that say so.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from pairwise import covering
from test_cli import run

from deploy.hardware import list_hardware
from dpap.checkpoint import read_checkpoint
from dpap.training.run import Run
from dpap.training.run_files import RunFiles

DOCS = " ".join(path.read_text() for path in sorted((Path(__file__).parents[2] / "docs").glob("**/*.md")))

EPOCHS = 4

NETWORKS = {
    "plain": "4C3-AP2-12FC-10FC",
    "normalised": "4C3-BN-MP2-12FC-10FC",
    "residual": "4C3-Res(4C3-4C3)-AP2-10FC",
    "recurrent": "4C3-AP2-12RFC-10FC",
    "delayed": "4C3-AP2-12FC-Delay3-10FC",
}

GOALS = {
    "none": {},
    "rate": {"pruning_rate": 0.3},
    "SynOps": {"synops": 20000.0},
    "budget of SynOps": {"budget": "synops=20000"},
    "budget of energy": {"budget": "energy=2uJ:loihi1/sanafe_fit"},
    "budget of cores": {"budget": "cores=2:loihi1"},
}

FACTORS = {
    "data": ("digits", "digits-events", "static ReLU"),
    "method": ("dpap", "sdsnn", "none", "stdp", "hebb", "magnitude", "random"),
    "goal": tuple(GOALS),
    "guard": ("none", "min_accuracy", "max_drop"),
    "weight_bits": (8, 4, None),
    "network": tuple(NETWORKS),
    "held out": ("test", "validation and test", "validation"),
    "control": (False, True),
}


def relu(row):
    return row["data"] == "static ReLU"


def makes_sense(row):
    budget = row["goal"].startswith("budget")
    targeted = row["goal"] != "none"
    return (
        (budget or row["guard"] == "none")
        # A budget is measured of integers.
        and not (budget and row["weight_bits"] is None)
        and not (targeted and row["method"] in ("none", "sdsnn"))
        # Refused by the configuration, which has its own tests.
        and not (relu(row) and (row["method"] == "stdp" or row["network"] in ("recurrent", "delayed")))
    )


ROWS = covering(FACTORS, makes_sense)

SHORT = 14
"""Rows that run in minutes; they have every value of every factor, and most pairs. The others are slow."""


def named(row):
    return "-".join(str(value) for value in row.values()).replace(" ", "_")


def configuration(row, method=None):
    """The fields of a run; ``method`` is the control's."""
    method = method or row["method"]
    held_out = row["held out"]
    fields = {
        "data": {
            "name": "digits" if relu(row) else row["data"],
            "time_steps": 1 if relu(row) else 3,
            "validation": 0 if held_out == "test" else 1200,
            "test": held_out != "validation",
            "in_memory": True,
        },
        "network": {
            "notation": NETWORKS[row["network"]],
            "weight_bits": row["weight_bits"],
            "neuron": {"type": "relu"} if relu(row) else {"type": "lif", "surrogate": "arctan"},
        },
        "method": method,
        "training": {"epochs": EPOCHS, "learning_rate": 0.01, "batch_size": 128},
        "execution": {"threads": 1, "device": "cpu"},
        "sdsnn": {"patience": 1},
    }
    goal = GOALS[row["goal"]]
    if goal and method != "none":
        guards = {"none": {}, "min_accuracy": {"min_accuracy": 0.05}, "max_drop": {"max_drop": 0.5}}
        fields["pruning"] = {"target": goal | {"epochs": 3, "samples": 32} | guards[row["guard"]]}
    return fields


def write(path, fields):
    path.write_text(yaml.safe_dump(fields))
    return path


@dataclass(frozen=True)
class Refusal:
    """A command that may refuse a row.

    Attributes
    ----------
    command : str
        And what follows it, as in ``export netx``.
    when : callable
        Whether a row may be refused.
    message : str
        Regular expression in the error.
    documented : str
        Words of the documentation.
    """

    command: str
    when: object
    message: str
    documented: str


REFUSALS = (
    Refusal(
        "report",
        lambda row: row["weight_bits"] is None,
        "not rounded .* quantise the network",
        "is rounded afterwards",
    ),
    Refusal("export netx", lambda row: row["network"] == "residual", "chain", "refused: a chain only"),
    Refusal(
        "export sana-fe",
        lambda row: row["network"] in ("residual", "delayed"),
        "delayed spikes|different numbers of steps",
        "Delays, residual connections around some layers only, synaptic currents",
    ),
    Refusal("export sana-fe", relu, "sigma-delta units", "and rectified linear units are refused"),
    Refusal(
        "train",
        lambda row: relu(row) and row["goal"].startswith("budget"),
        "a budget of .* is for networks of spiking neurons",
        "A budget is of networks of spiking neurons.",
    ),
    Refusal("export netx", relu, "sigma-delta units", "rectified linear units | yes | refused | refused"),
    Refusal("export nir", relu, "sigma-delta units", "rectified linear units | yes | refused | refused"),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.command)
def test_a_refusal_is_documented(refusal):
    assert " ".join(refusal.documented.split()) in DOCS


def test_the_short_rows_have_every_value():
    for name, values in FACTORS.items():
        assert {row[name] for row in ROWS[:SHORT]} == set(values)


@pytest.fixture(
    params=[
        pytest.param(row, marks=() if index < SHORT else pytest.mark.slow, id=named(row))
        for index, row in enumerate(ROWS)
    ]
)
def command(request, capsys, tmp_path):
    return CommandRunner(request.param, capsys, tmp_path)


class CommandRunner:
    """Runs commands for one row, and checks how they end."""

    def __init__(self, row, capsys, folder):
        self.row, self.capsys, self.folder = row, capsys, folder

    def __call__(self, name, *arguments, status=0):
        """The JSON that a command prints; None where it refused, and the documentation says so."""

        code, out, err = run(self.capsys, *name.split()[:1], *arguments, "--json")
        if code == 2:
            assert out == "" and err.count("dpap: error: ") == 1, err
            known = [refusal for refusal in REFUSALS if name.startswith(refusal.command)]
            assert any(one.when(self.row) and re.search(one.message, err) for one in known), (name, err)
            return None
        assert code == status, (name, err)
        return json.loads(out)


def test_every_command_goes_on_from_what_was_trained(command, monkeypatch):
    row, folder = command.row, command.folder
    config = write(folder / "config.yaml", configuration(row))
    whole, resumed = folder / "whole", folder / "resumed"
    trained = command("train", "--config", config, "--out", whole)
    if trained is None:
        return
    assert trained["epochs"] == EPOCHS

    interrupt(monkeypatch, command, config, resumed)
    command("train", "--resume", "--out", resumed)
    assert_same_weights(whole, resumed)

    options = ["--samples", 8, "--lava-samples", 1, "--hardware", "loihi2", "--unknown", "bound"]
    if row["control"]:
        control = write(folder / "control.yaml", configuration(row, "none"))
        command("train", "--config", control, "--out", folder / "control")
        beside = folder / "control"
        if row["weight_bits"] is None:
            beside = folder / "quantized control"
            command("quantize", folder / "control", "--out", beside, "--calibration", 32, "--samples", 20)
        options += ["--control", beside]

    model = whole
    if row["weight_bits"] is None:
        assert command("report", whole, *options) is None
        quantized = command(
            "quantize", whole, "--out", folder / "quantized", "--calibration", 32, "--samples", 20
        )
        assert quantized["data"] == configuration(row)["data"]["name"]
        model = folder / "quantized"
    elif command.row["control"] and command(
        "quantize", whole, "--out", folder / "q4", "--weight-bits", 4, "--calibration", 32, "--samples", 20
    ):
        assert command("verify", folder / "q4", "--backend", "fast", "--samples", 4)["mismatches"] == 0

    reported = command("report", model, *options)
    assert reported["mismatches"] == 0 < reported["compared"]
    assert (model / "report.html").is_file()

    certificate = command("verify", model, "--backend", "fast", "--samples", 8)
    assert certificate["mismatches"] == 0 < certificate["compared"]
    simulated = command("simulate", model, "--samples", 8)
    estimated = command("estimate", model, "--samples", 4, "--unknown", "bound", *every_target())
    assert len(estimated["estimates"]) + len(estimated.get("refused", ())) == len(list_hardware())
    for name, target in (("h5", "m.h5"), ("nir", "m.nir"), ("netx", "m.net"), ("sana-fe", "sanafe")):
        options = ["--format", "sana-fe"] if name == "sana-fe" else []
        exported = command(f"export {name}", model, "--to", folder / target, *options)
        if exported is None or name not in ("h5", "nir"):
            continue
        again = command(f"simulate {name}", folder / target, "--samples", 8, *named_data(row))
        if again is not None:
            assert again["samples"] == 8
        if name == "h5":
            assert again["accuracy"] == simulated["accuracy"]


def named_data(row):
    return ["--data", configuration(row)["data"]["name"]]


def every_target():
    return ["--hardware", ",".join(list_hardware())]


def interrupt(monkeypatch, command, config, out):
    """Train, and stop after the second epoch has been written."""
    written = Run._write

    def then_stop(self):
        written(self)
        if len(self.trainer.history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "_write", then_stop)
        code, _, _ = run(command.capsys, "train", "--config", config, "--out", out)
    assert code == 130


def assert_same_weights(one, other):
    left, right = (read_checkpoint(RunFiles(folder).last).network.state_dict() for folder in (one, other))
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
