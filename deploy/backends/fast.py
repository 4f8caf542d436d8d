"""The fast backend: a simulator in exact integers, bit for bit what Lava computes.

Samples run side by side in blocks (:mod:`deploy.simulator`), one block in each thread. What is computed does
not depend on the number of threads or the size of a block.
"""

import os
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from deploy.backends.recorded import recorded_layers
from deploy.graph import Graph
from deploy.recording import PackedSpikes, Recording
from deploy.simulator import Workspace, plan, run_block
from deploy.simulator.kernels import pack_spikes
from dpap.errors import InputError

LANES = 64
"""Samples in a block at most: a row of lanes of spikes is a line of the cache."""

BYTE = 8
"""Samples whose spikes share a byte of the recording; a block has a multiple of it."""

MEMORY_BYTES = 1 << 30
"""Working memory of all threads to aim at."""


def run(
    graph: Graph,
    inputs: np.ndarray,
    memory_bytes: int = MEMORY_BYTES,
    threads: int | None = None,
    record: Collection[str] | None = None,
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

    Raises
    ------
    InputError
        ``threads`` is less than 1, or a layer to record does not exist.
    """
    started = time.perf_counter()
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    if threads < 1:
        raise InputError(f"threads is {threads}; expected 1 or more")
    recorded = recorded_layers(graph, record)
    samples, steps = len(inputs), graph.time_steps
    lanes = _lanes(graph, samples, threads, memory_bytes)
    blocks = -(-samples // lanes)
    layers = plan(graph)
    store = {
        layer.name: np.empty((steps, layer.neurons, blocks, lanes // BYTE), np.uint8)
        for layer in layers
        if layer.name in recorded
    }
    workspaces: list[Workspace] = []

    def run_one(block: int) -> None:
        workspace = workspaces.pop() if workspaces else Workspace(steps, lanes)
        activity = run_block(layers, _block_inputs(inputs, block, lanes), workspace)
        for name, packed in store.items():
            pack_spikes(activity[name].view("<u8"), packed, block)
        workspaces.append(workspace)

    with ThreadPoolExecutor(threads) as pool:
        # Consumed, so that an error in a thread is raised here.
        list(pool.map(run_one, range(blocks)))
    packed = {name: spikes.reshape(*spikes.shape[:2], -1) for name, spikes in store.items()}
    kept = PackedSpikes(packed, {name: graph[name].kept_shape for name in packed}, samples)
    return Recording(graph, inputs, kept, "fast", time.perf_counter() - started)


def _lanes(graph: Graph, samples: int, threads: int, memory_bytes: int) -> int:
    """Samples a block: few enough for the memory, and for every thread to have some."""
    neurons = sum(layer.size for layer in graph.layers) + int(np.prod(graph.input_shape))
    # Spikes of all layers, pooled sums, and inputs of up to two bytes, each over all steps.
    a_sample = 4 * graph.time_steps * neurons
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
