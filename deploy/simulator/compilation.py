"""Compiling the kernels that a graph needs before it runs, so that the wait can be shown.

Numba compiles a function when it is first called with arguments of some types, and keeps it on disk. Here
that happens one kernel after the other, with progress reported.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numba
import numpy as np

from deploy.ir import INPUT
from deploy.simulator import event_driven, events, kernels
from deploy.simulator.block import NO_SYNAPSES, convolution_arguments
from deploy.simulator.choice import KernelChoice
from deploy.simulator.plan import LayerPlan, Synapses

Call = tuple[Any, tuple]
"""A compiled function and arguments of the right types."""

Compiling = Callable[[str, int, int], None]
"""Receives the kernel that is being compiled or loaded, how many are done, and how many there are."""


def compile_kernels(calls: Iterable[Call], compiling: Compiling | None = None) -> None:
    """Compile what is not compiled yet, or load it from numba's cache.

    Parameters
    ----------
    calls : iterable of (function, arguments)
    compiling : callable, optional
    """
    needed = {}
    for function, arguments in calls:
        types = tuple(numba.typeof(argument) for argument in arguments)
        if types not in function.overloads:
            needed[function, types] = None
    for done, (function, types) in enumerate(needed):
        if compiling is not None:
            compiling(f"{function.__module__.rpartition('.')[2]}.{function.__name__}", done, len(needed))
        function.compile(types)
    if compiling is not None and needed:
        compiling("", len(needed), len(needed))


def batch_calls(layers: tuple[LayerPlan, ...], kind: np.dtype, choice: KernelChoice) -> Iterator[Call]:
    """The kernels that :func:`deploy.simulator.run_block` may call.

    Parameters
    ----------
    layers : tuple of LayerPlan
    kind : dtype
        Of the inputs.
    choice : KernelChoice
    """
    spikes, sums = _empty(np.uint8), _empty(np.int32)
    yield kernels.pack_spikes, (_empty(np.uint64), np.empty((0, 0, 0, 0), np.uint8), 0)
    for layer in layers:
        for synapses in layer.inputs:
            source = _empty(kind if synapses.source == INPUT else np.uint8)
            arriving = _empty(synapses.pooled_type) if synapses.pool > 1 else source
            if synapses.pool > 1:
                yield kernels.sum_windows, (source, synapses.shape, synapses.pool, arriving)
            if not layer.fused:
                yield _adding(synapses, arriving, sums)
                continue
            candidates = choice.candidates(layer)
            if len(candidates) > 1:
                yield event_driven.count_arrivals, (arriving, 1)
            for kernel in candidates:
                yield choice.call(kernel, layer, arriving, spikes)
        if not layer.fused:
            own = layer.recurrent
            recurrent = NO_SYNAPSES if own is None else (own.indptr, *own.entries)
            if layer.kind.fused:
                yield kernels.run_sums, (sums, *recurrent, layer.bias, layer.neuron, spikes)
                continue
            if own is not None:
                yield _adding(own, spikes, sums)
            yield _step(layer)


def step_calls(layers: tuple[LayerPlan, ...], by_source: dict[str, list[tuple]]) -> Iterator[Call]:
    """The kernels that a step of :class:`deploy.Simulator` calls.

    Parameters
    ----------
    layers : tuple of LayerPlan
    by_source : dict of str to list
        Of each layer, for each of its inputs, its synapses by source.
    """
    one = np.empty(0, np.int32)
    for layer in layers:
        inputs = layer.inputs if layer.recurrent is None else (*layer.inputs, layer.recurrent)
        for synapses, arrays in zip(inputs, by_source[layer.name], strict=True):
            if synapses.stride is None:
                yield events.scatter_matrix, (one, *arrays, one)
            else:
                shape = synapses.pooled[1:]
                yield (
                    events.scatter_convolution,
                    (one, shape, *arrays, synapses.stride, synapses.extent, one),
                )
        yield _step(layer)


def _step(layer: LayerPlan) -> Call:
    """A step of a layer's neurons."""
    one, kind = np.empty(0, np.int32), layer.kind
    return kind.step, (one, layer.bias, layer.neuron, kind.rest(0), np.empty(0, np.uint8), one)


def _adding(synapses: Synapses, arriving: np.ndarray, sums: np.ndarray) -> Call:
    if synapses.stride is None:
        return kernels.add_matrix, (arriving, synapses.indptr, *synapses.entries, sums)
    return kernels.add_convolution, (arriving, *convolution_arguments(synapses), sums)


def _empty(kind: np.dtype) -> np.ndarray:
    """Nothing, of the type of an activity: ``(T, neurons, lanes)``."""
    return np.empty((0, 0, 0), kind)
