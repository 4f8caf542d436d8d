"""Units that send changes of a maximum."""

from dataclasses import dataclass

import numpy as np

from deploy.ir.neurons.fixed_point import compiled, largest_magnitude
from deploy.ir.neurons.neuron import ChangingUnit, Range


@dataclass(frozen=True)
class Maximum(ChangingUnit):
    r"""Units that send changes of the largest activation of their sources.

    A maximum of changes is no change of the maximum, so each unit adds up what its sources sent,
    :math:`X_i[t] = \sum_{t' \le t} m_i[t']`, and sends :math:`\max_i X_i[t] - \max_i X_i[t-1]`, from 0 on.
    Its synapses say which sources a unit has; their weights are not used.
    """

    kind = "maximum"
    sums = False
    lag = 0
    update = "sigma_delta_update"

    def check(self) -> None:
        """There are no parameters."""

    def check_sources(self, sources: int, pooled: bool, largest_sum: int) -> None:
        """A maximum is over one source, whose messages it knows one by one."""
        if sources != 1 or pooled:
            raise ValueError("a maximum is over one source, without a pool")

    def reached(self, states: Range) -> np.ndarray:
        """Where a source can send anything."""
        return (states.low != 0) | (states.high != 0)

    def sent(self, states: Range, steps: int) -> Range:
        """The maximum itself."""
        return states


@compiled
def send_maxima(arriving, indptr, sources, messages):
    """Messages of units that send changes of a maximum.

    Parameters
    ----------
    arriving : int32 array of shape (T, sources, lanes)
    indptr, sources : arrays
        The sources of each unit, in compressed sparse rows.
    messages : int32 array of shape (T, units, lanes)
        Written.

    Returns
    -------
    int
        Largest magnitude of the sum of a unit's messages at any step.
    """
    steps, count, lanes = arriving.shape
    known = np.zeros((count, lanes), np.int32)
    units = messages.shape[1]
    best = np.zeros((units, lanes), np.int32)
    low, high = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)
    for t in range(steps):
        for k in range(count):
            for i in range(lanes):
                known[k, i] += arriving[t, k, i]
        for n in range(units):
            if indptr[n] == indptr[n + 1]:
                messages[t, n] = 0
                continue
            out, before = messages[t, n], best[n]
            out[:] = known[sources[indptr[n]]]
            for k in range(indptr[n] + 1, indptr[n + 1]):
                row = known[sources[k]]
                for i in range(lanes):
                    out[i] = max(out[i], row[i])
            for i in range(lanes):
                largest = out[i]
                low[i], high[i] = min(low[i], largest), max(high[i], largest)
                out[i] = largest - before[i]
                before[i] = largest
    return largest_magnitude(low, high)
