"""Files of every kind, mutated, are read or refused by a typed error within limits (``mutate_files.py``)."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mutation.sandbox import attempt

SCRIPT = Path(__file__).parent / "mutate_files.py"


def mutated(count, *options):
    """The script in a process of its own, whose children no threads of the tests disturb."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--count", str(count), *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPT.parent), str(SCRIPT.parent.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("refused") >= 1


@pytest.mark.parametrize("kind", [""])
def test_mutated_files_are_read_or_refused(kind):
    mutated(60, "--only", kind)


@pytest.mark.slow
def test_ten_thousand_mutated_files_are_read_or_refused():
    mutated(10_000)


def _spin():
    while True:
        pass


def _fail(error):
    raise error


def _fill():
    return bytearray(3 << 29)


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda: None, "loaded"),
        (lambda: _fail(ValueError("typed\nand more")), "refused"),
        (lambda: _fail(KeyError("x")), "untyped"),
        (lambda: os.abort(), "killed"),
        (_spin, "slow"),
        (_fill, "large"),
    ],
    ids=["loaded", "refused", "untyped", "killed", "slow", "large"],
)
def test_what_breaks_a_limit_is_found(read, kind):
    started = time.monotonic()
    outcome = attempt(read, (ValueError,))
    assert outcome.kind == kind
    assert outcome.good == (kind in ("loaded", "refused"))
    assert time.monotonic() - started < 100
    if kind == "refused":
        assert outcome.detail == "ValueError: typed\nand more"
