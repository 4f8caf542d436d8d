"""Runs one job on Lava: ``python worker <folder of the job> <number of the process that waits for it>``.

It is run by its path and imports nothing of the packages around it, since those import torch: Lava's
processes are forked from this one, and torch can hang in a fork; besides, it starts in half the time. The
folder of this file is first on the path of modules, so its neighbours are imported by their plain names.

It ends with status 0 after it has made the file ``done``, otherwise with what went wrong on standard error.
"""

import sys
from pathlib import Path

import lifetime


def main(folder: Path, parent: int) -> None:
    """Run the job of a folder for the process ``parent``, without which it ends."""
    lifetime.bind_to(parent, folder)
    # Only now, since importing Lava takes a while in which the parent may go.
    from execution import execute
    from network import read_network

    execute(read_network(folder))
    (folder / "done").touch()


if __name__ == "__main__":
    lifetime.run_and_leave(lambda: main(Path(sys.argv[1]), int(sys.argv[2])))
