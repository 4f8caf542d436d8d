"""Selection of one rank out of many values, without ordering them all.

A sorted sample brackets the value looked for; only values in the bracket are searched (Floyd and Rivest
1975, "Expected time bounds for selection", with one round of sampling).
"""

import math

import torch

_STRIDE = 128
"""One value in as many is sampled."""
_DEVIATIONS = 6
"""Half the width of the bracket, in largest standard deviations of a rank in the sample, sqrt(n) / 2."""


def kth_smallest(values: torch.Tensor, rank: int) -> torch.Tensor:
    """The value of a rank, exactly; what the sample says only decides how fast.

    Parameters
    ----------
    values : Tensor of shape (n,)
    rank : int
        From 1, the smallest, to n.

    Returns
    -------
    Tensor without dimensions
    """
    sample = values[::_STRIDE].sort().values
    position, margin = (rank - 1) / _STRIDE, _DEVIATIONS * math.sqrt(len(sample)) / 2
    low = sample[max(0, math.floor(position - margin))]
    high = sample[min(len(sample) - 1, math.ceil(position + margin))]
    below = int((values < low).sum())
    bracket = values[(values >= low) & (values <= high)]
    if below < rank <= below + len(bracket):
        return bracket.kthvalue(rank - below).values
    return values.kthvalue(rank).values
