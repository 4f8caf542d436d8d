"""Memory that the C library keeps.

glibc gives large blocks that are freed back to the system, and the kernel has to zero every page of those
that are asked for next. A training step frees and asks for the same blocks each time.

Source: mallopt(3), ``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD``; the constants are malloc.h's.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

_KEPT = (1 << 31) - 1
"""Bytes at the end of the heap that are kept: as many as can be asked for."""

_FROM_HEAP = 1 << 25
"""Bytes of a block below which it comes from the heap: the most that glibc allows."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next allocations.

    For a process that does one thing, such as a command; a library does not decide this for its users.

    Returns
    -------
    Whether the C library took the setting; only glibc has it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all([mallopt(_TRIM_THRESHOLD, _KEPT), mallopt(_MMAP_THRESHOLD, _FROM_HEAP)])
