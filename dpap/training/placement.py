"""The device and processes of a training, by its configuration."""

import os

import torch

from dpap.errors import InputError
from dpap.training.processes import OneProcess, Processes
from dpap.training.sections import ExecutionConfig

_TORCHRUN = "TORCHELASTIC_RUN_ID"

_MACHINES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
"""Environment variables by which several machines find each other."""


def is_first() -> bool:
    """Whether this process is not one that another process of the training started."""
    return all(int(os.environ.get(name, 0)) == 0 for name in ("RANK", "NODE_RANK", "LOCAL_RANK"))


def place(config: ExecutionConfig) -> Processes:
    """Start what there is to start: other processes where there are several, on devices that are there.

    Raises
    ------
    InputError
        There is no such device, or there are too few.
    """
    if config.devices * config.nodes == 1 and _TORCHRUN not in os.environ:
        return OneProcess(_device(config.device))
    check_devices(config)
    # Imported here: Lightning takes seconds.
    from dpap.training.distributed import FabricProcesses

    return FabricProcesses(config.device, config.devices, config.nodes)


def check_devices(config: ExecutionConfig) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless devices and machines can be found."""
    device = _device(config.device)
    missing = [name for name in _MACHINES if name not in os.environ]
    if config.nodes > 1 and missing and _TORCHRUN not in os.environ:
        raise InputError(
            f"execution.nodes is {config.nodes}, and {', '.join(missing)} are not set, by which the machines"
            " find each other: run the same command on each machine with these environment variables, or by"
            " torchrun"
        )
    if device.type == "cuda" and config.devices > torch.cuda.device_count():
        raise InputError(
            f"execution.devices is {config.devices}; this machine has"
            f" {torch.cuda.device_count()} CUDA devices"
        )
    if device.type == "mps" and config.devices > 1:
        raise InputError(f"execution.devices is {config.devices}; there is one MPS device; use device cpu")


def _device(name: str) -> torch.device:
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    if not there[name]:
        raise InputError(f"execution.device is {name}; this machine has none that torch can use")
    return torch.device(name)
