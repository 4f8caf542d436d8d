"""Searching for how much to prune, where the measured value does not fall as its prices predict."""

import math

ATTEMPTS = 8
"""Drops that are tried in an epoch."""

LEAST_MORE, MOST_MORE = 1.05, 2.0
"""By how much a drop that was too small grows."""

LEAST_LESS, MOST_LESS = 0.25, 0.95
"""What is left of a drop that was too large."""

RESOLUTION = 1e-3
"""Of the search, as a share of the cost."""


class DropSearch:
    """A search for the drop of a predicted cost with which a measured value falls as it should.

    It grows or shrinks a drop in proportion, and halves what is between one that is too small and one that is
    too large. Units may be large, so that no choice of them may give the right drop: then the smallest
    drop that was too large is taken.

    Parameters
    ----------
    cost : float
        The predicted cost before units are pruned.
    """

    def __init__(self, cost: float):
        self._cost = cost
        self._small, self._large = 0.0, math.inf
        self._tried: list[float] = []
        self._decided = False

    def next_drop(self, tried: float, *, few: bool, fell: float, wanted: float) -> float | None:
        """The drop to be tried next, or None where what was tried last is to be taken.

        Parameters
        ----------
        tried : float
            The predicted drop of the units that were chosen.
        few : bool
            Whether they were too few, and not too many.
        fell, wanted : float
            By what share the measured value fell, and was to fall.
        """
        if self._decided:
            return None
        again = tried in self._tried
        self._tried.append(tried)
        if few:
            self._small = max(self._small, tried)
        else:
            self._large = min(self._large, tried)
        between = self._large - self._small
        if again or len(self._tried) == ATTEMPTS or between <= RESOLUTION * self._cost:
            self._decided = True
            smallest_enough = self._large < math.inf and (few or tried > self._large)
            return self._large if smallest_enough else None
        if self._small > 0 and self._large < math.inf:
            return self._small + between / 2
        share = wanted / fell if fell > 0 else math.inf
        if few:
            # At least what is missing by the measurement, where the prices see nothing to be done.
            return max(tried * min(max(share, LEAST_MORE), MOST_MORE), wanted * self._cost)
        return tried * min(max(share, LEAST_LESS), MOST_LESS)
