"""Runs one job on Loihi 2: ``python worker <folder of the job> <number of the process that waits for it>``.

As the worker of Lava's CPU backend, whose means it shares, it imports nothing of the packages around it, and
ends with status 0 after it has made the file ``done``.
"""

import json
import sys
from pathlib import Path
from types import ModuleType

# Lifetime and processes are those of Lava's CPU backend.
sys.path.append(str(Path(__file__).resolve().parents[2] / "lava" / "worker"))

import lifetime


def main(folder: Path, parent: int) -> None:
    """Run the job of a folder for the process ``parent``, without which it ends."""
    lifetime.bind_to(parent, folder)
    from board import choose_board

    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    choose_board(**job["board"])
    _leave_out_slayer()
    from execution import execute

    measured = execute(folder, job)
    (folder / "measured.json").write_text(json.dumps(measured), encoding="utf-8")
    (folder / "done").touch()


def _leave_out_slayer() -> None:
    """Skip netx's import of SLAYER, which it needs for resonators alone.

    SLAYER imports torch, which can hang in the processes that Lava forks.
    """
    for name in ("lava.lib.dl.slayer", "lava.lib.dl.slayer.neuron", "lava.lib.dl.slayer.neuron.rf"):
        sys.modules[name] = ModuleType(name)
    sys.modules["lava.lib.dl.slayer.neuron.rf"].neuron_params = None


if __name__ == "__main__":
    lifetime.run_and_leave(lambda: main(Path(sys.argv[1]), int(sys.argv[2])))
