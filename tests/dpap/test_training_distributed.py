"""Pruning on two processes, each with half of every batch, against one with the whole."""

import os
import subprocess
import sys
from pathlib import Path

import ddp_worker
import pytest
import torch

PROCESSES = 2


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """What each of two gloo processes came to, by form."""
    folder = tmp_path_factory.mktemp("gloo")
    command = [sys.executable, Path(ddp_worker.__file__)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    files = [folder / "meet", folder / "states"]
    started = [
        subprocess.Popen([*command, str(rank), str(PROCESSES), *files], env=environment)
        for rank in range(PROCESSES)
    ]
    try:
        assert [process.wait(timeout=200) for process in started] == [0] * PROCESSES
    finally:
        for process in started:
            process.kill()
    return [torch.load(folder / f"states.{rank}", weights_only=True) for rank in range(PROCESSES)]


def flat(value, name=""):
    if not isinstance(value, dict):
        return {name: value}
    return {key: leaf for inner in value for key, leaf in flat(value[inner], f"{name}/{inner}").items()}


@pytest.mark.parametrize("form", ddp_worker.FORMS)
def test_two_processes_prune_as_one_does(states, form):
    alone = flat(ddp_worker.pruned(ddp_worker.FORMS[form], 0, 1))
    assert any("survival" in name or name.endswith("/strong") for name in alone)
    for rank in range(PROCESSES):
        together = flat(states[rank][form])
        assert together.keys() == alone.keys()
        for name, expected in alone.items():
            if not isinstance(expected, torch.Tensor):
                assert together[name] == expected, name
            elif expected.is_floating_point():
                # Sums are added in another order.
                torch.testing.assert_close(together[name], expected, rtol=1e-5, atol=1e-4)
            else:
                assert torch.equal(together[name], expected), name


def test_something_is_pruned(states):
    assert states[0]["rate"]["rate"] > 0.4
    assert states[0]["synops"]["rate"] > 0
    layers = states[0]["sdsnn"]["layers"].values()
    assert sum(layer["pruned"] for layer in layers) > 0
    assert sum(layer["regrown"] for layer in layers) > 0
