"""Runs one job on Lava: ``python worker <folder of the job> <number of the process that waits for it>``.

It is run by its path and imports nothing of the packages around it, since those import torch: Lava's
processes are forked from this one, and torch can hang in a fork; besides, it starts in half the time. The
folder of this file is first on the path of modules, so its neighbours are imported by their plain names.

It ends with status 0 after it has made the file ``done``, otherwise with what went wrong on standard error.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

import lifetime


def main(folder: Path, parent: int) -> None:
    """Run the job of a folder for the process ``parent``, without which it ends."""
    # Ignored by the parent it would be ignored here too, and nobody could wait for Lava's processes.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lifetime.end_with(parent, folder)
    lifetime.end_children_with_this()
    lifetime.name_shared_memory(folder.name)
    lifetime.keep_temporary_files(folder)
    # Only now, since importing Lava takes a while in which the parent may go.
    from execution import execute
    from network import read_network

    execute(read_network(folder))
    (folder / "done").touch()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: with Lava's threads and runtime alive the interpreter would wait for them for ever.
    os._exit(status)
