"""Choice of the kernel of each layer, block by block, by the cost model and the incoming activity."""

from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from deploy.simulator import dense, event_driven, kernels
from deploy.simulator.costs import KERNELS, KernelCosts, KernelName, Work
from deploy.simulator.dense import GROUP
from deploy.simulator.event_driven import ROW
from deploy.simulator.forms import count_places, dense_arguments, event_arguments
from deploy.simulator.plan import LayerPlan

COUNTED_STEPS = 4
"""Steps of a block in which arrivals are counted, evenly spaced; a choice needs no more."""


@dataclass(frozen=True, eq=False)
class _Shape:
    """The part of a layer's work that is the same in all blocks."""

    neurons: int
    padded_neurons: int
    sources: int
    synapses: int
    weights: int
    stored: int
    rows_an_arrival: float
    width: int


@dataclass(eq=False)
class KernelChoice:
    """Chooses and calls the kernels of layers whose sums come from one other layer.

    Layers with several sources, and recurrent layers, use the sparse kernels always.

    Parameters
    ----------
    costs : KernelCosts
    forced : str, optional
        ``dense``, ``sparse`` or ``event`` for all layers, whatever they cost.
    """

    costs: KernelCosts
    forced: KernelName | None = None
    _shapes: dict[str, _Shape] = field(default_factory=dict)
    _arguments: dict[tuple[str, str], tuple] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def choose(self, layer: LayerPlan, arriving: np.ndarray, steps: int) -> KernelName:
        """The kernel for one block.

        Parameters
        ----------
        layer : LayerPlan
        arriving : unsigned array of shape (T or 1, sources, lanes)
        steps : int
            T.
        """
        among = self.candidates(layer)
        if len(among) == 1:
            return among[0]
        work = self.work(layer, arriving, steps)
        return self.costs.cheapest(work, small=_small(layer), among=among)

    def candidates(self, layer: LayerPlan) -> tuple[KernelName, ...]:
        """The kernels that are considered: of the dense and the sparse one only the cheaper."""
        if self.forced is not None:
            return (self.forced,)
        shape = self._shape(layer)
        if shape.stored > self.costs.largest_weights:
            return ("sparse",)
        # Neither depends on the activity.
        anything = _work(shape, steps=1, distinct_steps=1, lanes=1, arrivals=0.0)
        by_lanes = self.costs.cheapest(anything, small=_small(layer), among=("dense", "sparse"))
        return tuple(kernel for kernel in KERNELS if kernel in (by_lanes, "event"))

    def work(self, layer: LayerPlan, arriving: np.ndarray, steps: int) -> Work:
        """The work of a layer in one block."""
        every = max(1, len(arriving) // COUNTED_STEPS)
        counted = event_driven.count_arrivals(arriving, every)
        arrivals = counted * len(arriving) / len(range(0, len(arriving), every))
        return _work(self._shape(layer), steps, len(arriving), arriving.shape[2], arrivals)

    def call(self, kernel: KernelName, layer: LayerPlan, arriving: np.ndarray, spikes: np.ndarray) -> tuple:
        """A compiled function and its arguments, which writes the spikes of one block."""
        (synapses,) = layer.inputs
        module = {"dense": dense, "sparse": kernels, "event": event_driven}[kernel]
        function = module.run_matrix if synapses.stride is None else module.run_convolution
        return function, (arriving, *self._form(kernel, layer), np.empty(0, layer.sum_type), spikes)

    def _shape(self, layer: LayerPlan) -> _Shape:
        if layer.name not in self._shapes:
            self._shapes[layer.name] = _shape(layer)
        return self._shapes[layer.name]

    def _form(self, kernel: KernelName, layer: LayerPlan) -> tuple:
        with self._lock:
            if (layer.name, kernel) not in self._arguments:
                self._arguments[layer.name, kernel] = _FORMS[kernel](layer)
            return self._arguments[layer.name, kernel]


def _sparse_arguments(layer: LayerPlan) -> tuple:
    (synapses,) = layer.inputs
    rest = layer.bias, layer.neuron
    if synapses.stride is None:
        return synapses.indptr, *synapses.entries, *rest
    return (
        synapses.pooled[1:],
        synapses.indptr,
        *synapses.entries,
        synapses.stride,
        synapses.extent,
        *rest,
    )


_FORMS = {"dense": dense_arguments, "sparse": _sparse_arguments, "event": event_arguments}


def _small(layer: LayerPlan) -> bool:
    return layer.sum_type == np.int16


def _shape(layer: LayerPlan) -> _Shape:
    (synapses,) = layer.inputs
    places, targets = count_places(layer)
    sources = int(np.prod(synapses.pooled))
    positions = layer.neurons // targets
    width = -(-targets // ROW) * ROW
    # Every position receives each place once, borders apart.
    rows = places * positions / sources
    return _Shape(
        neurons=layer.neurons,
        padded_neurons=positions * width,
        sources=sources,
        synapses=int(synapses.indptr[-1]) * positions,
        weights=places * -(-targets // GROUP) * GROUP * positions,
        stored=places * targets,
        rows_an_arrival=rows,
        width=width,
    )


def _work(shape: _Shape, steps: int, distinct_steps: int, lanes: int, arrivals: float) -> Work:
    return Work(
        steps=steps,
        distinct_steps=distinct_steps,
        lanes=lanes,
        neurons=shape.neurons,
        padded_neurons=shape.padded_neurons,
        sources=shape.sources,
        synapses=shape.synapses,
        weights=shape.weights,
        arrivals=arrivals,
        rows=arrivals * shape.rows_an_arrival,
        width=shape.width,
    )
