"""Lava can be imported after a network ran.

Lava calls ``multiprocessing.set_start_method("fork")`` when it is imported (lava-nc 0.10,
``magma/runtime/message_infrastructure/multiprocessing.py``). Python refuses that once the start method has
been asked for, which numba does when it starts its threads, and tqdm and torch's loaders do too; also where
the method is ``fork`` already. So it is taken back, if it is ``fork``, just before Lava sets it to the same.
"""

import contextlib
import importlib
import io
import multiprocessing
import sys
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

SETS_START_METHOD = "lava.magma.runtime.message_infrastructure.multiprocessing"
"""The module of Lava that does so."""


class _BeforeLava(MetaPathFinder):
    """Finds nothing; is asked before a module is imported."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname == SETS_START_METHOD and multiprocessing.get_start_method(allow_none=True) == "fork":
            multiprocessing.set_start_method(None, force=True)


def let_lava_be_imported() -> None:
    """Look out for Lava's import in this process; once is enough."""
    if not any(isinstance(finder, _BeforeLava) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BeforeLava())


def import_lava_dl(name: str) -> ModuleType:
    """Import a module of lava-dl, without the notes that it and torch's extensions print of optional tools.

    Lava takes seconds and sets the start method of processes, so it is imported where it is needed.
    """
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return importlib.import_module(f"lava.lib.dl.{name}")
