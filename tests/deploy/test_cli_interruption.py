"""Ctrl-C at any time ends with one line and status 130."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from dpap.checkpoint import LAST_FILE

SENDS_CTRL_C = """
import os, signal, sys
from importlib.abc import MetaPathFinder

sent_at = sys.argv.pop(1)

class SendsCtrlC(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == sent_at:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, SendsCtrlC())
from deploy.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module", ["deploy.cli.main", "typer", "pydantic", "numpy", "numpy.core.multiarray", "torch", "torch._C"]
)
def test_while_a_module_is_imported(module, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SENDS_CTRL_C,
            module,
            "train",
            "--epochs",
            "1",
            "--out",
            str(tmp_path / "run"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "dpap: error: interrupted\n")


@pytest.mark.parametrize(
    "sent",
    [
        "in the terminal",
        pytest.param("for the first process", marks=pytest.mark.slow),
        pytest.param("as others are started", marks=pytest.mark.slow),
    ],
)
def test_of_two_processes(sent, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "--data", "digits", "--network", "4C3-AP2-10FC", "--epochs", "500"]
    started = subprocess.Popen(
        [sys.executable, "-m", "deploy", *arguments, "--devices", "2", "--out", str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    first = psutil.Process(started.pid)
    begun = (out / LAST_FILE).exists if sent != "as others are started" else first.children
    deadline = time.monotonic() + 120
    while not begun() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    others = first.children()
    assert others
    (os.kill if sent == "for the first process" else os.killpg)(started.pid, signal.SIGINT)
    printed, said = started.communicate(timeout=60)
    assert (started.returncode, printed) == (130, ""), said
    assert said.splitlines()[-1].startswith("dpap: error: interrupted")
    assert said.count("interrupted") == 1
    # Besides that, what is trained and on what, and a line an epoch.
    assert all(line.startswith(("dpap", "epoch")) for line in said.splitlines()), said
    assert not psutil.wait_procs(others, timeout=5)[1]
