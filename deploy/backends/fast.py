"""The fast backend: a simulator in exact integers, bit for bit what Lava computes.

Samples run side by side in blocks (:mod:`deploy.simulator`), one block in each thread. What is computed does
not depend on the number of threads or the size of a block.
"""

import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deploy.backends.recorded import recorded_layers
from deploy.ir import INPUT, Graph
from deploy.ir.currents import locate_overflow
from deploy.recording import BYTE, PackedSpikes, Recording
from deploy.simulator import KERNELS, KernelChoice, KernelName, Workspace, load_costs, plan, run_block
from deploy.simulator.compilation import Compiling, batch_calls, compile_kernels
from deploy.simulator.kernels import pack_spikes
from deploy.simulator.plan import LayerPlan
from deploy.simulator.sigma_delta import plan_messages, run_messages
from dpap.errors import InputError
from dpap.files.writing import write_atomically
from dpap.neurons.currents import OnOverflow, check_on_overflow

if TYPE_CHECKING:
    from deploy.formats.recording import RecordingWriter

LANES = 64
"""Samples in a block at most: a row of lanes of spikes is a line of the cache."""

MEMORY_BYTES = 1 << 30
"""Working memory of all threads to aim at."""


def run(
    graph: Graph,
    inputs: np.ndarray,
    memory_bytes: int = MEMORY_BYTES,
    threads: int | None = None,
    record: Collection[str] | None = None,
    kernel: KernelName | None = None,
    record_to: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    compiling: Compiling | None = None,
    on_overflow: OnOverflow = "raise",
) -> Recording:
    """Run samples in blocks of bounded memory; see :func:`deploy.run`.

    Parameters
    ----------
    graph : Graph
    inputs : unsigned integer array of shape (N, T, *input_shape), validated
    memory_bytes : int
        Bytes of working memory to aim at; the result does not depend on it. The recording comes on top.
    threads : int, optional
        By default as many as this process may use cores.
    record : collection of str, optional
        Layers whose spikes are kept; by default all. Those of the output are always.
    kernel : str, optional
        ``dense``, ``sparse`` or ``event``: the kernel of every layer that has a choice. By default the
        cheapest for each layer and block by the cost model (:mod:`deploy.simulator.costs`). The result is the
        same.
    record_to : path, optional
        A file for the spikes and the inputs, HDF5 and compressed (:mod:`deploy.formats.recording`), which may
        be larger than memory; it appears whole or not at all. The recording reads from it.
    progress : callable, optional
        Is given the samples done and their number.
    compiling : callable, optional
        Is given the name of the kernel that is compiled now, or loaded, how many are done, and how many there
        are.
    on_overflow : str
        ``raise``, or ``wrap`` to run on as Lava does where a current leaves its 24 bits. Messages of
        sigma-delta units have no meaning then, so that these always raise.

    Raises
    ------
    InputError
        ``threads`` is less than 1, a layer to record, the kernel or ``on_overflow`` does not exist, or the
        file cannot be written.
    ActivationOverflow
        A current leaves its 24 bits (of sigma-delta units: an activation its 32, or a message 24). Of a run
        it is the first layer's, and in that the first sample's, of the block of samples at hand.
    """
    started = time.perf_counter()
    check_on_overflow(on_overflow)
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    if threads < 1:
        raise InputError(f"threads is {threads}; expected 1 or more")
    if kernel is not None and kernel not in KERNELS:
        raise InputError(f"kernel {kernel!r} is not known; there are {', '.join(KERNELS)}")
    recorded = recorded_layers(graph, record)
    samples = len(inputs)
    lanes = _lanes(graph, samples, threads, memory_bytes)
    if graph.activity.graded:
        _check_messages(kernel, record_to)
        messages = _run_messages(graph, inputs, recorded, lanes, threads, progress)
        return Recording(graph, inputs, messages, "fast", time.perf_counter() - started)
    layers, choice = plan(graph), KernelChoice(load_costs(), kernel)
    compile_kernels(batch_calls(layers, inputs.dtype, choice), compiling)
    blocks = _Blocks(graph, layers, choice, inputs, lanes, on_overflow)
    if record_to is None:
        store = {
            name: np.empty((graph.time_steps, graph[name].size, blocks.count, lanes // BYTE), np.uint8)
            for name in recorded
        }

        def keep(block: int, activity: dict[str, np.ndarray]) -> None:
            for name, packed in store.items():
                pack_spikes(activity[name].view("<u8"), packed, block)

        blocks.run(threads, keep, progress)
        packed = {name: spikes.reshape(*spikes.shape[:2], -1) for name, spikes in store.items()}
        kept = PackedSpikes(packed, {name: graph[name].kept_shape for name in packed}, samples)
        return Recording(graph, inputs, kept, "fast", time.perf_counter() - started)
    # Imported when it is used: most runs need no files.
    from deploy.formats.recording import RecordingWriter, stored_spikes

    def write(temporary: Path) -> None:
        writer = RecordingWriter(temporary, graph, samples, lanes, recorded, inputs.dtype)
        try:
            blocks.run(threads, partial(_write_block, writer, inputs, lanes, recorded), progress)
            writer.close("fast", time.perf_counter() - started)
        except BaseException:
            writer.abandon()
            raise

    path = Path(record_to).absolute()
    write_atomically(path, write)
    kept = stored_spikes(path, graph, recorded, samples)
    return Recording(graph, inputs, kept, "fast", time.perf_counter() - started)


class _Blocks:
    """The blocks of samples of a run."""

    def __init__(
        self,
        graph: Graph,
        layers: tuple[LayerPlan, ...],
        choice: KernelChoice,
        inputs: np.ndarray,
        lanes: int,
        on_overflow: OnOverflow,
    ):
        self.graph, self.on_overflow = graph, on_overflow
        self.steps, self.layers, self.choice = graph.time_steps, layers, choice
        self.inputs, self.lanes = inputs, lanes
        self.count = -(-len(inputs) // lanes)

    def run(
        self,
        threads: int,
        keep: Callable[[int, dict[str, np.ndarray]], None],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        """Run all, and give the activity of each block to ``keep``."""
        workspaces: list[Workspace] = []

        def run_one(block: int) -> None:
            workspace = workspaces.pop() if workspaces else Workspace(self.steps, self.lanes)
            rows = _block_inputs(self.inputs, block, self.lanes)
            activity, left = run_block(self.layers, rows, workspace, self.choice)
            if left and self.on_overflow == "raise":
                self._raise_overflow(block, left[0], activity)
            keep(block, activity)
            workspaces.append(workspace)

        with ThreadPoolExecutor(threads) as pool:
            # Consumed, so that an error in a thread is raised here.
            for done, _ in enumerate(pool.map(run_one, range(self.count)), start=1):
                if progress is not None:
                    progress(min(done * self.lanes, len(self.inputs)), len(self.inputs))

    def _raise_overflow(self, block: int, name: str, activity: dict[str, np.ndarray]) -> None:
        """Say where in a block a current of a layer left its range."""
        start = block * self.lanes
        inputs = self.inputs[start : start + self.lanes]
        sent = {INPUT: inputs}
        for layer in self.graph.layers:
            spikes = np.moveaxis(activity[layer.name], -1, 0)[: len(inputs)]
            sent[layer.name] = spikes.reshape(*spikes.shape[:2], *layer.kept_shape)
            if layer.name == name:
                raise locate_overflow(self.graph, layer, sent, start).error(name)


def _write_block(
    writer: "RecordingWriter",
    inputs: np.ndarray,
    lanes: int,
    recorded: Collection[str],
    block: int,
    activity: dict[str, np.ndarray],
) -> None:
    writer.write_inputs(block, inputs[block * lanes : (block + 1) * lanes])
    for name in recorded:
        spikes = activity[name]
        packed = np.empty((*spikes.shape[:2], 1, lanes // BYTE), np.uint8)
        pack_spikes(spikes.view("<u8"), packed, 0)
        writer.write_spikes(block, name, packed[:, :, 0])


def _lanes(graph: Graph, samples: int, threads: int, memory_bytes: int) -> int:
    """Samples a block: few enough for the memory, and for every thread to have some."""
    neurons = sum(layer.size for layer in graph.layers) + int(np.prod(graph.input_shape))
    # Spikes of all layers, pooled sums, and inputs of up to two bytes, each over all steps; or messages of 32
    # bits, sums of 64, and a copy.
    a_sample = (16 if graph.activity.graded else 4) * graph.time_steps * neurons
    affordable = memory_bytes // (a_sample * threads)
    share = -(-samples // threads)
    return BYTE * max(1, min(LANES, affordable, share + BYTE - 1) // BYTE)


def _block_inputs(inputs: np.ndarray, block: int, lanes: int) -> np.ndarray:
    """Inputs of a block, ``(T or 1, inputs, lanes)``; a single step where all are the same."""
    chunk = inputs[block * lanes : (block + 1) * lanes]
    if len(chunk) and all(np.array_equal(chunk[:, 0], chunk[:, step]) for step in range(1, chunk.shape[1])):
        chunk = chunk[:, :1]
    flat = chunk.reshape(len(chunk), chunk.shape[1], -1)
    rows = np.zeros((flat.shape[1], flat.shape[2], lanes), inputs.dtype)
    rows[:, :, : len(flat)] = np.moveaxis(flat, 0, -1)
    return rows


def _check_messages(kernel: str | None, record_to: str | Path | None) -> None:
    for name, value in (("kernel", kernel), ("record_to", record_to)):
        if value is not None:
            raise InputError(
                f"{name} is {value!r}; it is for spikes, and these units send messages; leave it out"
            )


def _run_messages(
    graph: Graph,
    inputs: np.ndarray,
    recorded: Collection[str],
    lanes: int,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, np.ndarray]:
    """Messages of the layers to record, int32 ``(N, T, *kept_shape)``."""
    layers = plan_messages(graph)
    samples, steps = inputs.shape[:2]
    store = {
        layer.name: np.empty((samples, steps, layer.size), np.int32)
        for layer in graph.layers
        if layer.name in recorded
    }

    def run_one(start: int) -> None:
        chunk = graph.sent_inputs(inputs[start : start + lanes])
        rows = np.ascontiguousarray(np.moveaxis(chunk.reshape(*chunk.shape[:2], -1), 0, -1))
        activity = run_messages(graph, layers, rows, start)
        for name, kept in store.items():
            kept[start : start + lanes] = np.moveaxis(activity[name], -1, 0)

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(run_one, range(0, samples, lanes)), start=1):
            if progress is not None:
                progress(min(done * lanes, samples), samples)
    return {name: kept.reshape(samples, steps, *graph[name].kept_shape) for name, kept in store.items()}
