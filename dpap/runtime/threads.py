"""Threads of this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch and the compiled kernels use ``count`` threads within the context.

    Small networks are best trained with one: the work between two meetings of the threads is so short that
    waiting for each other costs more than it saves, above all on a busy machine.
    """
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])
