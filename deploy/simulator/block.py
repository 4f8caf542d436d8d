"""Running one block of samples through all layers."""

import numpy as np

from deploy.ir import INPUT
from deploy.ir.delays import delayed
from deploy.simulator import kernels
from deploy.simulator.choice import KernelChoice
from deploy.simulator.plan import LayerPlan, Synapses

NO_SYNAPSES = np.zeros(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int16)
"""Recurrent synapses of a layer that is not recurrent, but for their row pointers."""


class Workspace:
    """Arrays that one thread uses again for every block.

    Parameters
    ----------
    steps, lanes : int
        T, and samples in a block.
    """

    def __init__(self, steps: int, lanes: int):
        self.steps, self.lanes = steps, lanes
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str, steps: int, rows: int, kind: np.dtype) -> np.ndarray:
        """An array ``(steps, rows, lanes)`` with whatever it held before."""
        key = f"{name} {np.dtype(kind).name} {steps}"
        if key not in self._arrays:
            self._arrays[key] = np.empty((steps, rows, self.lanes), kind)
        return self._arrays[key]


def run_block(
    layers: tuple[LayerPlan, ...], inputs: np.ndarray, workspace: Workspace, choice: KernelChoice
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Spikes of all layers, uint8 ``(T, neurons, lanes)``, and the layers with a current out of range.

    The spikes are arrays of the workspace.

    Parameters
    ----------
    layers : tuple of LayerPlan
    inputs : unsigned array of shape (T or 1, inputs, lanes)
    workspace : Workspace
    choice : KernelChoice
        Of the kernels of layers that are fused.
    """
    activity, left = {INPUT: inputs}, []
    for layer in layers:
        spikes = workspace.array(layer.name, workspace.steps, layer.neurons, np.uint8)
        if layer.fused:
            arriving = _arriving(layer.inputs[0], activity, workspace)
            kernel = choice.choose(layer, arriving, workspace.steps)
            function, arguments = choice.call(kernel, layer, arriving, spikes)
            out_of_range = function(*arguments)
        else:
            out_of_range = _run_summed(layer, activity, workspace, spikes)
        activity[layer.name] = spikes
        if out_of_range:
            left.append(layer.name)
    return activity, left


def _run_summed(
    layer: LayerPlan, activity: dict[str, np.ndarray], workspace: Workspace, spikes: np.ndarray
) -> bool:
    arriving = [_arriving(synapses, activity, workspace) for synapses in layer.inputs]
    steps = max(len(part) for part in arriving)
    sums = workspace.array(f"{layer.name} sums", steps, layer.neurons, np.int32)
    sums[:] = 0
    for synapses, part in zip(layer.inputs, arriving, strict=True):
        if synapses.stride is None:
            kernels.add_matrix(part, synapses.indptr, *synapses.entries, sums)
        else:
            kernels.add_convolution(part, *convolution_arguments(synapses), sums)
    own = layer.recurrent
    if not layer.kind.fused:
        return _run_stepwise(layer, sums, spikes)
    none = np.zeros(layer.neurons + 1, np.int64), *NO_SYNAPSES[1:]
    recurrent = none if own is None else (own.indptr, *own.entries)
    return kernels.run_sums(sums, *recurrent, layer.bias, layer.neuron, spikes)


def _run_stepwise(layer: LayerPlan, sums: np.ndarray, spikes: np.ndarray) -> bool:
    """Spikes of neurons by the kernel of one step, all of them and all lanes at once."""
    lanes, own = spikes.shape[2], layer.recurrent
    states, bias = layer.kind.rest(layer.neurons * lanes), np.repeat(layer.bias, lanes)
    total, left = np.empty(spikes.shape[1:], np.int32), np.empty(bias.shape, np.int32)
    some = False
    for t, fired in enumerate(spikes):
        total[:] = sums[min(t, len(sums) - 1)]
        if own is not None and t:
            kernels.add_matrix(spikes[t - 1 : t], own.indptr, *own.entries, total[None])
        some |= layer.kind.step(total.reshape(-1), bias, layer.neuron, states, fired.reshape(-1), left)
    return some


def convolution_arguments(synapses: Synapses) -> tuple:
    """What describes a convolution to the kernels of :mod:`deploy.simulator.kernels`."""
    return synapses.pooled[1:], synapses.indptr, *synapses.entries, synapses.stride, synapses.extent


def _arriving(synapses: Synapses, activity: dict[str, np.ndarray], workspace: Workspace) -> np.ndarray:
    """What arrives from a source: delayed, and summed over windows."""
    arriving = activity[synapses.source]
    if synapses.delays is not None:
        full = np.broadcast_to(arriving, (workspace.steps, *arriving.shape[1:]))
        by_sample = delayed(np.moveaxis(full, -1, 0), synapses.delays)
        arriving = np.ascontiguousarray(np.moveaxis(by_sample, 0, -1))
    if synapses.pool > 1:
        rows = int(np.prod(synapses.pooled))
        name = f"{synapses.source} pooled {synapses.pool}"
        sums = workspace.array(name, len(arriving), rows, synapses.pooled_type)
        kernels.sum_windows(arriving, synapses.shape, synapses.pool, sums)
        return sums
    return arriving
