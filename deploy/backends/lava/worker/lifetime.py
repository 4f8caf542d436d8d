"""Cleanup after the worker: its process, processes it forks, shared memory, files."""

import ctypes
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path
from typing import NoReturn

_CHECK_SECONDS = 0.2

_PR_SET_PDEATHSIG = 1
"""``prctl``: the signal to get when the parent ends (linux/prctl.h)."""


def bind_to(parent: int, folder: Path) -> None:
    """All of this module, for a worker in its folder."""
    # Ignored by the parent it would be ignored here too, and no process could wait for Lava's processes.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with(parent, folder)
    end_children_with_this()
    name_shared_memory(folder.name)
    keep_temporary_files(folder)


def run_and_leave(main: Callable[[], None]) -> NoReturn:
    """Run, and end the process: with status 0, or 1 and what went wrong on standard error."""
    try:
        main()
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: with Lava's threads and runtime alive the interpreter would wait for them for ever.
    os._exit(status)


def end_with(parent: int, folder: Path) -> None:
    """End this process, and remove its folder, soon after its parent is gone.

    What it forked ends with it (:func:`end_children_with_this`), and Python's resource tracker, which then is
    the last, frees the shared memory.
    """

    def watch() -> None:
        # A process that loses its parent gets another.
        while os.getppid() == parent:
            time.sleep(_CHECK_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_children_with_this() -> None:
    """Have the kernel kill whatever this process forks from now on as soon as this process is gone.

    Lava's processes would wait for each other's messages for ever.
    """
    worker = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:
            os._exit(1)

    os.register_at_fork(after_in_child=tie)


def name_shared_memory(prefix: str) -> None:
    """Let the names of all shared memory made from now on, here or in forks, begin with ``prefix``.

    So the parent can remove what is left after this process was killed, and nothing else. Python has no
    public way to choose the names that its shared memory manager gives.
    """
    shared_memory._make_filename = lambda: f"/{prefix}-{secrets.token_hex(8)}"


def keep_temporary_files(folder: Path) -> None:
    """Have Python make its own temporary files, which a killed process leaves behind, in ``folder``.

    One of them is a socket, and the path of a socket may have no more than 107 characters. So the folder
    becomes the current one, and the paths start there.
    """
    os.chdir(folder)
    tempfile.tempdir = os.curdir
