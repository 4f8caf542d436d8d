"""The first current of a population that Lava wraps."""

import numpy as np

DECAY_SHIFT = 12
STATE_SHIFT = 6
LIMIT = 1 << 23


def note_overflow(overflow: np.ndarray, index: int, current: np.ndarray, keep: int, sums: np.ndarray) -> None:
    """Write the first current that a step is about to wrap.

    Parameters
    ----------
    overflow : int64 array of shape (3,)
        Written where there is one: the step of the input, the neuron and its current.
    index : int
        The step of the input, from 0.
    current : int array
        Currents before the step.
    keep : int
        What they keep, in 1/4096.
    sums : int array
        Synaptic sums that arrive.
    """
    kept = np.abs(current.astype(np.int64)) * keep >> DECAY_SHIFT
    reached = np.sign(current) * kept + (np.asarray(sums, np.int64) << STATE_SHIFT)
    outside = np.flatnonzero(np.abs(reached) >= LIMIT)
    if len(outside):
        overflow[:] = index, outside[0], reached[outside[0]]
