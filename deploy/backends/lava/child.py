"""The worker's process: started in a session of its own, waited for, and ended with all it started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WORKER = Path(__file__).resolve().with_name("worker")
"""The program that the child runs; see its ``__main__.py``."""

SHARED_MEMORY = Path("/dev/shm")
"""Where Linux shows POSIX shared memory; the worker names its segments after its folder."""

_POLL_SECONDS = 0.05
_OUTPUT_BYTES = 8192
_OUTPUT_LINES = 12

# The traceback of a crash is printed, and no warning after it.
_PYTHON_OPTIONS = ("-X", "faulthandler", "-W", "ignore")
_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """How a worker ended.

    Attributes
    ----------
    timed_out : bool
        It was ended for its time limit.
    ending : str
        ``ended with exit status 1``, or the signal that killed it.
    last_output : str
        The last lines it printed.
    """

    timed_out: bool
    ending: str
    last_output: str


def run_worker(
    folder: Path, time_limit: float, poll: Callable[[], None], program: Path | None = None
) -> Outcome:
    """Run a job to its end.

    When this returns or raises, the worker and all processes that it started are gone, and so is their shared
    memory.

    Parameters
    ----------
    folder : Path
        The job's files; its name is unlike that of any other running job.
    time_limit : float
        Seconds.
    poll : callable
        Called without arguments some 20 times a second while the worker runs.
    program : Path, optional
        What the worker runs; by default :data:`WORKER`.
    """
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *_PYTHON_OPTIONS, str(program or WORKER), str(folder), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=_environment(),
            # Ctrl-C in a terminal reaches this process alone, and one signal ends all of the session.
            start_new_session=True,
        )
    timed_out = False
    try:
        deadline = time.monotonic() + time_limit
        while not (_has_ended(process) or timed_out):
            poll()
            time.sleep(_POLL_SECONDS)
            timed_out = time.monotonic() > deadline
    finally:
        # Before the worker is reaped: until then its number cannot belong to another process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        for segment in SHARED_MEMORY.glob(f"{folder.name}*"):
            segment.unlink(missing_ok=True)
    return Outcome(timed_out, _describe(status), _last_lines(output))


def _environment() -> dict[str, str]:
    # The child finds the packages that this process finds, wherever it runs.
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    return os.environ | dict.fromkeys(_SINGLE_THREADED, "1") | {"PYTHONPATH": paths}


def _has_ended(process: subprocess.Popen) -> bool:
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        # This program ignores SIGCHLD, so the system reaps its children at once.
        return True


def _describe(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    reason = ", as the system does when memory runs out" if -status == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-status).name}{reason}"


def _last_lines(output: Path) -> str:
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - _OUTPUT_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return "It printed nothing."
    return "It printed last:\n" + "\n".join(lines[-_OUTPUT_LINES:])
