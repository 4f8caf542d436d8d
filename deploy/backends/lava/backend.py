"""Running a graph on Lava's CPU simulator."""

import importlib.util
import math
import sys
import tempfile
import time
from collections.abc import Callable, Collection

import numpy as np

from deploy.backends.lava.batches import batches, store_for
from deploy.backends.lava.child import Outcome, run_worker
from deploy.backends.lava.job import Job
from deploy.backends.recorded import recorded_layers
from deploy.backends.sigma_delta_states import check_recorded_states
from deploy.errors import BackendError, BackendUnavailable
from deploy.ir import Graph
from deploy.recording import Recording
from dpap.errors import InputError
from dpap.files.scratch import scratch_folder
from dpap.neurons.currents import OnOverflow, check_on_overflow

MEMORY_BYTES = 1 << 30
"""Memory for the inputs and spikes of a batch to aim at."""

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
    memory_bytes: int = MEMORY_BYTES,
    record: Collection[str] | None = None,
    on_overflow: OnOverflow = "raise",
) -> Recording:
    """Run samples one after the other, pipelined in batches of bounded memory; see :func:`deploy.run`.

    Every layer lags one step behind its source, and its states are reset as each sample reaches it. A batch
    is one run of Lava, which starts in about a second.

    Parameters
    ----------
    graph : Graph
    inputs : unsigned integer array of shape (N, T, *input_shape), validated
    time_limit : float, optional
        Seconds after which Lava's process is ended, its start-up included. By default a minute for each
        batch, and some 40 times what the steps take on a quiet machine.
    progress : callable, optional
        Called as ``progress(samples done, samples)`` when that changes, and at the end.
    memory_bytes : int
        Bytes that the inputs and spikes of a batch may take; the result does not depend on it. The network
        (Lava's processes, and the synapses in them) and the recording, a bit a spike, come on top.
    record : collection of str, optional
        Layers whose spikes are kept; by default all. Those of the output are always.
    on_overflow : str
        ``raise``, or ``wrap`` to keep what Lava computes where a current leaves its 24 bits. Messages of
        sigma-delta units have no meaning then, so that these always raise.

    Raises
    ------
    InputError
        ``time_limit`` or ``memory_bytes`` is not positive, or a layer to record or ``on_overflow`` does not
        exist.
    ActivationOverflow
        Lava wrapped a current that left its 24 bits; of sigma-delta units, an activation left 32 bits, or a
        message 24, so that Lava's numbers may have wrapped.
    BackendUnavailable
        Lava is not installed, or this is not Linux.
    BackendError
        Lava failed, was killed, or did not end within ``time_limit``; nothing of it is left running.
    """
    started = time.perf_counter()
    _check_available()
    check_on_overflow(on_overflow)
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit is {time_limit}; expected a positive number of seconds")
    if memory_bytes < 1:
        raise InputError(f"memory_bytes is {memory_bytes}; expected 1 or more")
    recorded = recorded_layers(graph, record)
    store = store_for(graph, len(inputs), recorded)
    # Whether Lava's numbers have wrapped is seen in the messages of all layers.
    written = recorded_layers(graph, None) if graph.activity.graded else recorded
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    for batch in batches(graph, inputs, written, memory_bytes):

        def report(done: int, first: int = batch.start) -> None:
            if progress is not None:
                progress(first + done, len(inputs))

        with scratch_folder(tempfile.gettempdir(), "dpap-lava-") as folder:
            try:
                job = Job.write(folder, graph, inputs[batch], written)
            except OSError as error:
                raise BackendError(
                    f"backend 'lava' cannot write its job to {folder}: {error.strerror or error}; make room"
                    " there, set TMPDIR to another folder, or give a smaller memory_bytes"
                ) from error
            outcome = run_worker(job.folder, _seconds_left(job, deadline), _reporter(job, report))
            if not job.finished:
                done = f"{batch.start + job.samples_done} of {len(inputs)} samples of {job.time_steps} steps"
                raise BackendError(_failure(outcome, done, time_limit or _default_limit(job)))
            overflow = job.first_overflow(graph, batch.start)
            if overflow is not None and on_overflow == "raise":
                raise overflow
            sent = job.read_spikes()
            if graph.activity.graded:
                check_recorded_states(Recording(graph, inputs[batch], sent, "lava", 0.0), batch.start)
            store.add(batch.start, sent)
        report(job.samples)
    return Recording(graph, inputs, store.kept, "lava", time.perf_counter() - started)


def _failure(outcome: Outcome, done: str, limit: float) -> str:
    if outcome.timed_out:
        return (
            f"backend 'lava' had done {done} when its time limit of {limit:g} s was over; give a larger"
            " time_limit, or run fewer samples at once"
        )
    return (
        f"backend 'lava' failed: its process {outcome.ending}; to continue without it, {_INSTEAD}."
        f" {outcome.last_output}"
    )


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


def _seconds_left(job: Job, deadline: float) -> float:
    return _default_limit(job) if math.isinf(deadline) else deadline - time.monotonic()


def _default_limit(job: Job) -> float:
    step = LAYER_STEP_SECONDS * job.layers + SYNAPSE_STEP_SECONDS * job.synapses
    return START_SECONDS + step * job.steps


def _reporter(job: Job, report: Callable[[int], None]) -> Callable[[], None]:
    reported = 0

    def poll() -> None:
        nonlocal reported
        # The last sample is reported when its spikes have been read.
        if reported < (done := job.samples_done) < job.samples:
            reported = done
            report(done)

    return poll
