"""Checkpoints of networks, pruners and trainings; importing this module alone does not import torch."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpap.checkpoint.checkpoint import Checkpoint, load_checkpoint, read_checkpoint, save_checkpoint

__all__ = [
    "BEST_FILE",
    "LAST_FILE",
    "OLD_FILES",
    "Checkpoint",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]

BEST_FILE = "checkpoint.safetensors"
"""The network that a run's folder holds."""

LAST_FILE = "last.safetensors"
"""The checkpoint that a run resumes from."""

OLD_FILES = ("checkpoint.pt", "last.pt")
"""Names of the same in earlier versions, whose files could run code when they were read."""


def __getattr__(name: str):
    if name in __all__:
        return getattr(import_module("dpap.checkpoint.checkpoint"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
