"""Measuring the time of the kernels on this machine.

Layers of a few sizes run with every kernel, at several firing rates and shares of synapses; the coefficients
of :mod:`deploy.simulator.costs` are the non-negative least squares of the relative errors.
"""

import platform
import time
from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.optimize import nnls

from deploy.ir import Connection, CubaLIF, Geometry, Graph, Incoming, Layer, MatrixConnection
from deploy.ir.encoding import encode_convolution
from deploy.simulator.choice import KernelChoice
from deploy.simulator.costs import KERNELS, EventCosts, KernelCosts, KernelName, LaneCosts, SumCosts, Work
from deploy.simulator.plan import SMALL_SUMS, LayerPlan, plan

STEPS, LANES = 8, 64

MATRICES = ((20, 400), (200, 400), (400, 1000))
"""Neurons and sources."""

CONVOLUTIONS = ((2, 12, 16), (16, 40, 10), (48, 32, 8))
"""Channels of the source, channels, and height and width; kernels of 3 x 3."""

KEPT, FIRING = (1.0, 0.1), (0.005, 0.1)
"""Shares of synapses that are there, and of values that arrive."""

UNMEASURED = SumCosts(
    dense=LaneCosts(product=1, row=1, update=1),
    sparse=LaneCosts(product=1, row=1, update=1),
    event=EventCosts(scan=1, arrival=1, row=1, product=1, update=1),
)


def calibrate(repeats: int = 3, seed: int = 0) -> KernelCosts:
    """Measure this machine; a few seconds where the kernels are compiled already.

    Parameters
    ----------
    repeats : int
        Times that each layer runs; the fastest counts.
    seed : int
        Of the layers and their activity.
    """
    small, wide = (_fit(list(_measure(bits, repeats, seed))) for bits in (16, 32))
    source = f"measured on {platform.machine()} ({platform.processor() or platform.system()})"
    return KernelCosts(source=source, small=small, wide=wide)


def _measure(bits: int, repeats: int, seed: int) -> Iterator[tuple[KernelName, Work, float]]:
    """Kernels, work and nanoseconds."""
    generator = np.random.default_rng(seed)
    costs = KernelCosts(source="none", small=UNMEASURED, wide=UNMEASURED)
    for kept in KEPT:
        for layer in _layers(bits, kept, generator):
            choice = KernelChoice(costs)
            sources = int(np.prod(layer.inputs[0].pooled))
            spikes = np.empty((STEPS, layer.neurons, LANES), np.uint8)
            for rate in FIRING:
                arriving = (generator.random((STEPS, sources, LANES)) < rate).astype(np.uint8)
                work = choice.work(layer, arriving, STEPS)
                for kernel in KERNELS:
                    function, arguments = choice.call(kernel, layer, arriving, spikes)
                    yield kernel, work, _fastest(function, arguments, repeats)


def _fastest(function, arguments: tuple, repeats: int) -> float:
    found = []
    # The first compiles, or loads what was compiled. Time that other processes take does not count.
    for _ in range(repeats + 1):
        started = time.thread_time_ns()
        function(*arguments)
        found.append(time.thread_time_ns() - started)
    return float(min(found[1:]))


def _layers(bits: int, kept: float, generator: np.random.Generator) -> Iterator[LayerPlan]:
    """Layers with weights of random signs, whose sums take 16 or 32 bits."""
    for neurons, sources in MATRICES:
        weights = _weights((neurons, sources), kept, bits, generator)
        yield planned((neurons,), (sources,), MatrixConnection(sparse.csr_matrix(weights)))
    for channels, outputs, extent in CONVOLUTIONS:
        weights = _weights((outputs, channels, 3, 3), kept, bits, generator)
        convolution = encode_convolution(weights, Geometry((3, 3), padding=(1, 1)), 1, channels)
        yield planned((outputs, extent, extent), (channels, extent, extent), convolution)


def _weights(shape: tuple[int, ...], kept: float, bits: int, generator: np.random.Generator) -> np.ndarray:
    present = generator.random(shape) < kept
    weights = np.where(present, generator.choice([-2, 2], shape), 0).astype(np.int16)
    if bits > 16:
        # One neuron with sums that need more; its weights are few, so that the work is the same.
        weights.reshape(len(weights), -1)[0, :100] = SMALL_SUMS // 100 + 1
    return weights


def planned(shape: tuple[int, ...], source: tuple[int, ...], connection: Connection) -> LayerPlan:
    """The plan of a graph of one layer: what a kernel is timed on."""
    layer = Layer(
        name="layer",
        shape=shape,
        kept=np.arange(shape[0], dtype=np.int32),
        without_fan_out=np.empty(0, np.int32),
        neuron=CubaLIF(current_decay=4096, voltage_decay=3277, threshold=16),
        inputs=(Incoming("input", connection),),
        scale=1.0,
    )
    (only,) = plan(Graph(source, 1, STEPS, (layer,)))
    return only


def _fit(measured: list[tuple[KernelName, Work, float]]) -> SumCosts:
    models = {"dense": LaneCosts, "sparse": LaneCosts, "event": EventCosts}
    fitted = {}
    for kernel in KERNELS:
        found = [(work.terms(kernel), time) for name, work, time in measured if name == kernel]
        # Every row divided by its time: relative errors count alike for small and for large layers.
        relative = np.array([np.array(terms) / time for terms, time in found])
        coefficients, _ = nnls(relative, np.ones(len(relative)))
        fitted[kernel] = models[kernel](**dict(zip(models[kernel].model_fields, coefficients, strict=True)))
    return SumCosts(**fitted)
