"""Running a graph on a Loihi 2 board."""

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from deploy.backends import fast
from deploy.backends.lava.child import run_worker
from deploy.backends.loihi2.job import Board, Job
from deploy.backends.recorded import recorded_layers
from deploy.errors import BackendError, BackendUnavailable
from deploy.formats.netx import one_sample_a_run
from deploy.ir import Graph
from deploy.ir.currents import current_ranges
from deploy.recording import Recording
from dpap.errors import InputError
from dpap.files.scratch import scratch_folder
from dpap.neurons.currents import OnOverflow, check_on_overflow

WORKER = Path(__file__).resolve().with_name("worker")
"""The program that the child runs; see its ``__main__.py``."""

TIME_LIMIT = 1800.0
"""Seconds; a board may have to be waited for."""

MODULES = {
    "lava.magma": "Lava (lava-nc==0.10.0)",
    "lava.lib.dl.netx": "lava-dl (lava-dl==0.6.0)",
    "lava.utils.loihi2_profiler": "Intel's Loihi extension for Lava (its profiler)",
    "lava.proc.embedded_io": "Intel's Loihi extension for Lava (its adapters)",
}
"""What has to be installed, by a module of it."""

BOARD_VARIABLES = ("SLURM", "BOARD", "PARTITION", "NXSDKHOST")
"""Variables of the environment that name a board to Lava."""


def run(
    graph: Graph,
    inputs: np.ndarray,
    host: str | None = None,
    partition: str | None = None,
    generation: str = "N3B3",
    time_limit: float = TIME_LIMIT,
    record: Collection[str] | None = None,
    on_overflow: OnOverflow = "raise",
) -> Recording:
    """Run samples one after the other on a board; see :func:`deploy.run`.

    ``Recording.measured`` has the energy, time and activity that the board measured. Spikes that are read out
    cost both: record the output alone (``record=()``) where energy is of interest. That the spikes are the
    graph's is for :func:`deploy.verify` to say.

    Parameters
    ----------
    graph : Graph
    inputs : unsigned integer array of shape (N, T, *input_shape), validated
    host : str, optional
        ``slurm``, or the address of a board's host; by default what the environment names.
    partition : str, optional
        Of slurm.
    generation : str
        The chip's generation, a name in ``lava.utils.loihi.ChipGeneration``.
    time_limit : float
        Seconds after which the run is ended, the wait for a board included.
    record : collection of str, optional
        Layers whose spikes are kept; by default all. Those of the output are always.
    on_overflow : str
        ``raise``, or ``wrap``. A board does not say that a current left its 24 bits, so with ``raise`` the
        fast simulator runs the samples before, where a range is not proven (:mod:`deploy.ir.currents`).

    Raises
    ------
    BackendUnavailable
        The extension or lava-dl is not installed, or no board is named. There is no number then.
    ExportError
        netx cannot say the graph.
    InputError
        ``time_limit`` is not positive, there is no sample, a layer to record does not exist, or the network
        takes one sample a run and there are more.
    ActivationOverflow
        A current leaves its 24 bits.
    BackendError
        The run failed, or did not end within ``time_limit``, or the probes gave no sound numbers.
    """
    started = time.perf_counter()
    check_on_overflow(on_overflow)
    _check_available(host)
    if not time_limit > 0:
        raise InputError(f"time_limit is {time_limit}; expected a positive number of seconds")
    recorded = recorded_layers(graph, record)
    _check_samples(graph, len(inputs))
    if on_overflow == "raise" and any(known.basis != "proof" for known in current_ranges(graph).values()):
        fast.run(graph, inputs, record=())
    with scratch_folder(tempfile.gettempdir(), "dpap-loihi2-") as folder:
        job = Job.write(folder, graph, inputs, recorded, Board(host, partition, generation))
        outcome = run_worker(job.folder, time_limit, lambda: None, WORKER)
        if not job.finished:
            how = f"failed: its process {outcome.ending}"
            if outcome.timed_out:
                how = (
                    f"did not end within {time_limit:g} s ({job.samples_done} of {job.samples} samples done)"
                )
            raise BackendError(f"backend 'loihi2' {how}. {outcome.last_output}")
        recording = Recording(graph, inputs, job.read_spikes(), "loihi2", time.perf_counter() - started)
        return replace(recording, measured=job.read_measured())


def _check_available(host: str | None) -> None:
    missing = sorted({what for module, what in MODULES.items() if not _installed(module)})
    if sys.platform != "linux":
        missing.append(f"Linux (this is {sys.platform})")
    if missing:
        raise BackendUnavailable(
            f"backend 'loihi2' needs {', '.join(missing)}, not found here: nothing runs on Loihi 2 and"
            " nothing is measured; use 'lava' or 'fast', which compute the same spikes, and deploy.estimate"
            " for energy"
        )
    if host is None and not any(os.environ.get(name) for name in BOARD_VARIABLES):
        raise BackendUnavailable(
            "backend 'loihi2' has no board: give host='slurm' (and a partition) or the address of a board's"
            f" host, or set one of {', '.join(BOARD_VARIABLES)}"
        )


def _installed(module: str) -> bool:
    try:
        # Found, not imported: importing Lava changes how this process starts others.
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _check_samples(graph: Graph, samples: int) -> None:
    if not samples:
        raise InputError("there is no sample to run on a board; give at least one")
    if samples > 1 and one_sample_a_run(graph):
        raise InputError(
            f"there are {samples} samples for a network with recurrence or delays, whose spikes netx lets"
            " through into the next sample; run them one by one"
        )
