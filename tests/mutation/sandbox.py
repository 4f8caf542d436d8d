"""Reading in a child that has a second process's memory and ten seconds of its own, and what came of it."""

import faulthandler
import os
import resource
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MOST_SECONDS = 10
"""Processor time of a reader."""
MOST_BYTES = 1 << 30
"""Memory of a reader, over what the program has anyway."""
_ADDRESS_BYTES = 3 << 30
_WALL_SECONDS = 120
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Outcome:
    """How a reader ended.

    Attributes
    ----------
    kind : str
        ``loaded``, ``refused`` (a typed error), ``untyped`` (another), ``killed`` (by a signal), ``slow`` or
        ``large``.
    detail : str
        The error, or the signal.
    seconds : float
        Processor time.
    bytes : int
        Most memory that it had, over what its parent had.
    """

    kind: str
    detail: str = ""
    seconds: float = 0.0
    bytes: int = 0

    @property
    def good(self) -> bool:
        """Whether the file was read, or refused, within the limits."""
        return self.kind in ("loaded", "refused")


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith(field)).split()[1]) << 10


def attempt(read: Callable[[], object], typed: tuple[type[BaseException], ...]) -> Outcome:
    """Call ``read`` in a child of this process (Linux).

    Parameters
    ----------
    read : callable
        Without arguments.
    typed : tuple of type
        Errors that a reader may raise.
    """
    out, inlet = os.pipe()
    child = os.fork()
    if not child:
        os.close(out)
        _child(read, typed, inlet)
    os.close(inlet)
    said, deadline = b"", time.monotonic() + _WALL_SECONDS
    with os.fdopen(out, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = pipe.read(_CHUNK)
            if not part:
                break
            said += part
        else:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        kind = "slow" if number in (signal.SIGXCPU, signal.SIGKILL) else "killed"
        return Outcome(kind, signal.Signals(number).name)
    kind, seconds, size, detail = said.decode("utf-8", "replace").split("\n", 3)
    outcome = Outcome(kind, detail, float(seconds), int(size))
    return Outcome("large", detail, outcome.seconds, outcome.bytes) if outcome.bytes > MOST_BYTES else outcome


def _child(read: Callable[[], object], typed: tuple[type[BaseException], ...], inlet: int) -> None:
    kind, detail = "loaded", ""
    before = _status("VmRSS")
    try:
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        space = _status("VmSize") + _ADDRESS_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        used = int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used + MOST_SECONDS, used + MOST_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        warnings.simplefilter("ignore")
        read()
    except typed as error:
        # A message that cannot be written is no message.
        kind, detail = "refused", f"{type(error).__name__}: {error}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = "untyped"
        detail = f"{type(error).__name__}: {str(error)[:300]} ({Path(where.filename).name}:{where.lineno})"
    try:
        size = max(0, _status("VmHWM") - before)
        said = f"{kind}\n{time.process_time():.2f}\n{size}\n{detail[:2000]}"
        os.write(inlet, said.encode("utf-8", "replace")[:_CHUNK])
    finally:
        os._exit(0)
