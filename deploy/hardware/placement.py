"""The least cores that hold one layer, its synapses in one encoding.

The number of cores is searched for on a sample of the cores, and confirmed on all of them.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from deploy.hardware.axons import Axons
from deploy.hardware.layer_mapping import (
    ADVICE,
    INPUT_AXONS,
    NEURONS,
    OUTPUT_AXONS,
    SYNAPSE_MEMORY,
    LayerMapping,
)
from deploy.hardware.placed_synapses import PlacedSynapses, placement_order
from deploy.hardware.violation import PlacementError, Violation
from deploy.ir import Layer

SAMPLED_CORES = 128
"""Cores that are looked at while the number of cores is searched for."""

FIRST_CORES, CORES_AT_A_TIME = 8, 512
"""Cores that are looked at first, and then together, until one is found that is too full."""

Oversized = Literal["refuse", "place"]


def split(neurons: int, cores: int) -> np.ndarray:
    """Bounds of equal contiguous ranges, int64 ``(cores + 1,)``; the first take one more if need be."""
    each, more = divmod(neurons, cores)
    sizes = np.full(cores, each, np.int64)
    sizes[:more] += 1
    return np.concatenate([[0], np.cumsum(sizes)])


class Placement:
    """One layer in one encoding on the least cores that hold it."""

    def __init__(
        self,
        layer: Layer,
        synapses: PlacedSynapses,
        destinations: np.ndarray,
        loops: list[np.ndarray],
        limits: dict[str, int],
        oversized: Oversized,
        cores: int | None,
    ):
        self._layer, self._synapses, self._limits = layer, synapses, limits
        self._order = placement_order(layer)
        self._elsewhere, self._loops = destinations, loops
        self._fan_in = synapses.largest_fan_in
        self._whole: dict[int, dict[str, np.ndarray]] = {}
        self._own: dict[int, np.ndarray] = {}
        # Splitting does not help where one neuron has too many axons.
        self._binding = [
            name for name in limits if name != INPUT_AXONS or self._fan_in <= limits[INPUT_AXONS]
        ]
        self.cores = self._search(oversized) if cores is None else cores
        self.usage = self._whole.get(self.cores) or self._usage(self.cores, np.arange(self.cores))

    def mapping(self, axons: Axons) -> LayerMapping:
        """The placement, its cores counted from 0."""
        bounds = split(self._layer.size, self.cores)
        core_of = np.empty(self._layer.size, np.int64)
        core_of[self._order] = np.repeat(np.arange(self.cores), np.diff(bounds))
        return LayerMapping(
            encoding=self._synapses.encoding,
            neurons=self._layer.size,
            cores=self.cores,
            first_core=0,
            limited_by=self._limited_by(),
            limits=self._limits,
            usage_by_core=self.usage,
            fan_in=self._fan_in,
            core_of=core_of,
            stored=self._synapses.stored(bounds, self.usage[INPUT_AXONS]),
            axon_of=axons.of_source,
            longest_delay=int(axons.delay.max(initial=0)),
            destinations=self._destinations(bounds),
        )

    def _search(self, oversized: Oversized) -> int:
        size, limits = self._layer.size, self._limits
        low = max(-(-size // limits[NEURONS]), -(-self._synapses.received // limits[INPUT_AXONS]))
        cores = _fewest(self._sample_fits, min(size, low), size)
        if cores is not None:
            # No number below passes even the sample.
            cores = _fewest(self._all_fit, cores, size)
        if cores is not None:
            return cores
        if oversized == "place":
            return size
        usage = self._usage(size, np.arange(size))
        name = max(self._binding, key=lambda name: usage[name].max() / limits[name])
        needed, limit = int(usage[name].max()), limits[name]
        raise PlacementError(
            f"{self._layer.name}: one neuron needs {needed} {name}; a core has {limit}",
            Violation(name, f"{self._layer.name}, one neuron", needed, limit, ADVICE[name]),
        )

    def _usage(self, cores: int, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """The use of each resource on each chosen core, of so many."""
        bounds = split(self._layer.size, cores)
        bits, axons = self._synapses.usage(bounds, chosen)
        sums = np.concatenate([[0], np.cumsum(self._destinations(bounds)[self._order])])
        return {
            NEURONS: np.diff(bounds)[chosen],
            SYNAPSE_MEMORY: bits,
            INPUT_AXONS: axons,
            OUTPUT_AXONS: np.diff(sums[bounds])[chosen],
        }

    def _destinations(self, bounds: np.ndarray) -> np.ndarray:
        """Output axons of each neuron with the layer split at ``bounds``, to the layer itself, too."""
        if not self._loops:
            return self._elsewhere
        if len(bounds) not in self._own:
            # Kernels of a recurrent layer are unrolled, so that their spikes need no count of axons.
            received = np.append(self._synapses.stored(bounds, np.zeros(0, np.int64)).getnnz(axis=1), 0)
            self._own = {len(bounds): sum(received[axon] for axon in self._loops).astype(np.int64)}
        return self._elsewhere + self._own[len(bounds)]

    def _sample(self, cores: int) -> np.ndarray:
        """Cores that stand for all of so many: every one where there are few."""
        return np.unique(np.linspace(0, cores - 1, min(cores, SAMPLED_CORES)).astype(np.int64))

    def _sample_fits(self, cores: int) -> bool:
        return self._usage_that_fits(cores, self._sample(cores)) is not None

    def _all_fit(self, cores: int) -> bool:
        usage = self._usage_that_fits(cores, np.arange(cores))
        if usage is not None:
            self._whole[cores] = usage
        return usage is not None

    def _usage_that_fits(self, cores: int, chosen: np.ndarray) -> dict[str, np.ndarray] | None:
        """The use of the chosen cores, or None as soon as one of them is too full."""
        parts = []
        for part in np.split(chosen, range(FIRST_CORES, len(chosen), CORES_AT_A_TIME)):
            parts.append(self._usage(cores, part))
            if any(parts[-1][name].max() > self._limits[name] for name in self._binding):
                return None
        return {name: np.concatenate([part[name] for part in parts]) for name in self._limits}

    def _limited_by(self) -> str:
        if self.cores > 1 and self._layer.size > self._limits[NEURONS] * (self.cores - 1):
            return NEURONS
        before = max(1, self.cores - 1)
        usage = self._usage(before, self._sample(before))
        return max(usage, key=lambda name: usage[name].max() / self._limits[name])


def _fewest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """Smallest number from ``low`` to ``high`` that fits, or None; found by doubling and bisection.

    With more cores each holds less, but for the unevenness of a network's synapses; what is returned fits.
    """
    step, failed = 1, low - 1
    reached = low
    while not fits(reached):
        if reached == high:
            return None
        failed, reached, step = reached, min(high, reached + step), 2 * step
    while reached - failed > 1:
        middle = (failed + reached) // 2
        if fits(middle):
            reached = middle
        else:
            failed = middle
    return reached
