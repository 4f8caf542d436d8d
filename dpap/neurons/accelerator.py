"""Choice of the code that runs the neuron, by the device of a tensor."""

import os
import shutil
import warnings
from functools import cache
from importlib.util import find_spec
from types import ModuleType

import torch

OLDEST_CAPABILITY = (7, 0)
"""Compute capability from which Triton compiles for a GPU."""


def accelerated(current: torch.Tensor) -> ModuleType | None:
    """:mod:`dpap.neurons.triton_function` for a tensor on CUDA, where Triton can run; otherwise None."""
    if not current.is_cuda or obstacle(current.device) is not None:
        return None
    from dpap.neurons import triton_function

    return triton_function


@cache
def obstacle(device: torch.device) -> str | None:
    """What keeps Triton from running on a CUDA device, said once in a warning; None if nothing does."""
    compilers = (os.environ.get("CC"), "gcc", "clang")
    capability = torch.cuda.get_device_capability(device)
    if find_spec("triton") is None:
        found = "Triton is not installed"
    elif not any(name and shutil.which(name) for name in compilers):
        # Not for the kernels: Triton builds the few lines of C that launch them.
        found = "Triton finds no C compiler (gcc, clang or CC)"
    elif capability < OLDEST_CAPABILITY:
        found = f"{device} has compute capability {capability}, and Triton needs {OLDEST_CAPABILITY}"
    else:
        return None
    warnings.warn(f"{found}: neurons on CUDA run in plain torch, which is much slower", stacklevel=4)
    return found
