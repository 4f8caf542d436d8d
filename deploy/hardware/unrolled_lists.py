"""Lists of synapses that unrolled convolutions take on cores: those that are the same are stored once.

What :mod:`deploy.hardware.convolution_lists` counts from kernels, counted from every synapse by itself: for
several sources, strides, dilations, and delays. The fingerprints are the same, and take in the delay.
"""

import numpy as np
from scipy import sparse


def distinct_lists(weights: sparse.csc_matrix, delay: np.ndarray, base_range: int) -> tuple[np.ndarray, int]:
    """Lengths of the lists of one core that differ, and the largest index that is stored.

    Parameters
    ----------
    weights : csc_matrix of shape (neurons of the core, axons)
        With sorted indices.
    delay : int64 array of shape (axons,)
        Of all synapses of an axon; lists with other delays differ.
    base_range : int
        Of an axon's offset.
    """
    lengths = np.diff(weights.indptr)
    received = np.flatnonzero(lengths)
    if not len(received):
        return np.zeros(0, np.int64), 0
    starts, lengths = weights.indptr[:-1][received], lengths[received].astype(np.int64)
    shift = weights.indices[starts] % base_range
    stored = weights.indices - np.repeat(shift, lengths)
    # Sums of unsigned integers wrap around, as they should.
    from deploy.hardware.convolution_lists import index_powers, weight_marks

    marks = weight_marks(weights.data) * index_powers(0, weights.shape[0])[stored]
    prints = np.stack([np.add.reduceat(marks, starts), delay[received].astype(np.uint64)], axis=1)
    _, first = np.unique(prints, axis=0, return_index=True)
    return lengths[first], int(stored.max())
