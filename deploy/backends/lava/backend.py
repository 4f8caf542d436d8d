"""Running a graph on Lava's CPU simulator."""

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deploy.backends.lava.child import run_worker
from deploy.backends.lava.job import Job
from deploy.errors import BackendError, BackendUnavailable
from deploy.graph import Graph
from deploy.recording import Recording
from deploy.sigma_delta_states import check_recorded_states
from dpap.errors import InputError

START_SECONDS = 60.0
LAYER_STEP_SECONDS = 0.02
SYNAPSE_STEP_SECONDS = 50e-9
"""What the default time limit allows for start-up, for each layer and step, and for each synapse and step:
some 40 times what a quiet machine with two cores takes."""

_INSTEAD = "use backend 'fast', which computes the same spikes"


def run(
    graph: Graph,
    inputs: np.ndarray,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Recording:
    """Run samples one after the other in a single pipelined run; see :func:`deploy.run`.

    Every layer lags one step behind its source, and its states are reset as each sample reaches it.

    Parameters
    ----------
    graph : Graph
    inputs : unsigned integer array of shape (N, T, *input_shape), validated
    time_limit : float, optional
        Seconds after which Lava's process is ended, its start-up included. By default a minute, and some 40
        times what the steps take on a quiet machine.
    progress : callable, optional
        Called as ``progress(samples done, samples)`` when that changes, and at the end.

    Raises
    ------
    InputError
        ``time_limit`` is not positive.
    ActivationOverflow
        An activation left 32 bits, or a message 24, so that Lava's numbers may have wrapped.
    BackendUnavailable
        Lava is not installed, or this is not Linux.
    BackendError
        Lava failed, was killed, or did not end within ``time_limit``; nothing of it is left running.
    """
    started = time.perf_counter()
    _check_available()
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit is {time_limit}; expected a positive number of seconds")
    if len(inputs):
        kept = _run(graph, inputs, time_limit, progress)
    else:
        kind = np.int32 if graph.sigma_delta else np.uint8
        kept = {
            layer.name: np.empty((0, graph.time_steps, *layer.kept_shape), kind) for layer in graph.layers
        }
    recording = Recording(graph, inputs, kept, "lava", time.perf_counter() - started)
    if graph.sigma_delta:
        check_recorded_states(recording)
    return recording


def _run(
    graph: Graph,
    inputs: np.ndarray,
    time_limit: float | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory(prefix="lava-", ignore_cleanup_errors=True) as name:
        try:
            job = Job.write(Path(name), graph, inputs)
        except OSError as error:
            raise BackendError(
                f"backend 'lava' cannot write its job to {name}: {error.strerror or error}; make room there,"
                " set TMPDIR to another folder, or run fewer samples at once"
            ) from error
        limit = _default_limit(job) if time_limit is None else time_limit
        outcome = run_worker(job.folder, limit, _reporter(job, progress))
        if outcome.timed_out and not job.finished:
            raise BackendError(
                f"backend 'lava' did not end {job.samples} samples of {job.time_steps} steps within its time"
                f" limit of {limit:g} s ({job.samples_done} samples were done); give a larger time_limit,"
                " or run fewer samples at once"
            )
        if not job.finished:
            raise BackendError(
                f"backend 'lava' failed: its process {outcome.ending}; to go on without it, {_INSTEAD}."
                f" {outcome.last_output}"
            )
        kept = job.read_spikes()
    if progress is not None:
        progress(len(inputs), len(inputs))
    return kept


def _check_available() -> None:
    if sys.platform != "linux":
        raise BackendUnavailable(f"backend 'lava' runs on Linux, and this is {sys.platform}; {_INSTEAD}")
    try:
        # Found, not imported: importing Lava changes how this process starts others.
        found = importlib.util.find_spec("lava.magma") is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise BackendUnavailable(
            f"backend 'lava' needs Lava, which is not installed; install lava-nc==0.10.0, or {_INSTEAD}"
        )


def _default_limit(job: Job) -> float:
    step = LAYER_STEP_SECONDS * job.layers + SYNAPSE_STEP_SECONDS * job.synapses
    return START_SECONDS + step * job.steps


def _reporter(job: Job, progress: Callable[[int, int], None] | None) -> Callable[[], None]:
    reported = 0

    def report() -> None:
        nonlocal reported
        if progress is not None and (done := job.samples_done) > reported:
            reported = done
            # The last sample is reported when its spikes have been read.
            if done < job.samples:
                progress(done, job.samples)

    return report
