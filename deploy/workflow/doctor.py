"""Check of the features that work on this machine."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.compiler.compilation import compile
from deploy.errors import BackendError, BackendUnavailable
from deploy.runner import run
from dpap.networks import build

OK, UNAVAILABLE, BROKEN = "ok", "not available", "broken"

CHECK_SECONDS = 60
"""Longest that one check may take."""

_LOIHI_PROBE = "from lava.utils import loihi; print(bool(loihi.is_installed()))"


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes
    ----------
    name : str
    status : str
        ``ok``, ``not available`` or ``broken``.
    detail : str
        What was seen, and where it matters what to do.
    """

    name: str
    status: str
    detail: str


def examine() -> list[Check]:
    """Try every part that a user's work may need."""
    return [_slayer(), _lava(), _loihi(), _data()]


def _slayer() -> Check:
    # Looked up, not imported: importing Lava changes how this process starts others.
    found = _find("lava.lib.dl.slayer")
    detail = "lava-dl's SLAYER blocks can be imported" if found else "install lava-dl==0.6.0"
    return Check("lava-dl SLAYER", OK if found else UNAVAILABLE, detail)


def _lava() -> Check:
    network = build("2FC", (3,), time_steps=2)
    for block in network.synaptic_blocks():
        block.weight.data.fill_(1.0)
    graph = compile(network)
    inputs = np.ones((1, 2, 3), np.uint8)
    try:
        lava = run(graph, inputs, backend="lava", time_limit=CHECK_SECONDS)
    except BackendUnavailable as error:
        return Check("Lava CPU simulator", UNAVAILABLE, str(error))
    except BackendError as error:
        return Check("Lava CPU simulator", BROKEN, str(error))
    fast = run(graph, inputs, backend="fast")
    if not np.array_equal(lava.output, fast.output) or not lava.output.all():
        return Check("Lava CPU simulator", BROKEN, "a small network gave other spikes than it must")
    return Check(
        "Lava CPU simulator", OK, f"a small network ran in {lava.seconds:.1f} s with the right spikes"
    )


def _loihi() -> Check:
    name = "Loihi extension"
    if not _find("lava.utils.loihi"):
        return Check(name, UNAVAILABLE, "Lava is not installed")
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _LOIHI_PROBE], capture_output=True, text=True, timeout=CHECK_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Check(name, BROKEN, f"Lava did not say within {CHECK_SECONDS} s whether it is installed")
    if probe.returncode != 0:
        return Check(
            name, BROKEN, probe.stderr.strip().splitlines()[-1] if probe.stderr else "the probe failed"
        )
    if probe.stdout.split()[-1:] == ["True"]:
        return Check(name, OK, "installed; runs on a board need access to one")
    return Check(
        name, UNAVAILABLE, "not installed: nothing runs on Loihi here, and energy is estimated, not measured"
    )


def _data() -> Check:
    folder = os.environ.get("DPAP_DATA")
    if not folder:
        return Check("DPAP_DATA", UNAVAILABLE, "not set; tests on MNIST and other data sets are skipped")
    if not Path(folder).is_dir():
        return Check("DPAP_DATA", BROKEN, f"set to {folder}, which is not a folder")
    return Check("DPAP_DATA", OK, folder)


def _find(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
