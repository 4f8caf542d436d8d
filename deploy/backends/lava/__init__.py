"""The Lava backend: Intel's CPU simulator of Loihi's fixed-point arithmetic.

Lava runs in a process of its own (:mod:`deploy.backends.lava.child`), which ends with the run whatever
happens: it hangs after errors, sets how its whole process starts others, and cannot run twice. The two sides
exchange files in a private folder (:mod:`deploy.backends.lava.job`). ``worker/`` is that other process's
program; nothing here imports it.
"""

from deploy.backends.lava.backend import run

__all__ = ["run"]
