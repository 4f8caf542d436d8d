"""The fast backend: a vectorised simulator in exact integers, bit for bit what Lava computes.

Every layer runs over all time steps of many samples at once: synapses as one convolution or matrix product
with time folded into the batch, neurons as the compiled kernel of :mod:`dpap.neurons.kernels`. float32
holds the sums exactly, since compilation proved that they stay below 2**17.
"""

import time

import numpy as np
import torch

from deploy.graph import INPUT, Graph, Layer
from deploy.recording import Recording
from deploy.synapses import dense_weight, synaptic_sums
from dpap.neurons import kernels
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT

MEMORY_BYTES = 256 << 20
"""Working memory that a batch of samples is chosen for."""


def run(graph: Graph, inputs: np.ndarray, memory_bytes: int = MEMORY_BYTES) -> Recording:
    """Run samples in batches of bounded memory; see :func:`deploy.run`.

    Parameters
    ----------
    graph : Graph
    inputs : unsigned integer array of shape (N, T, *input_shape), validated
    memory_bytes : int
        Bytes of working memory to aim at; the result does not depend on it.
    """
    started = time.perf_counter()
    samples = len(inputs)
    kept = {
        layer.name: np.empty((samples, graph.time_steps, *layer.kept_shape), np.uint8)
        for layer in graph.layers
    }
    batch = max(1, memory_bytes // _bytes_a_sample(graph))
    weights = {
        layer.name: torch.from_numpy(dense_weight(layer.connection).astype(np.float32))
        for layer in graph.layers
    }
    for start in range(0, samples, batch):
        chunk = inputs[start : start + batch].astype(np.float32)
        # Time-major, so that one step of all neurons is contiguous.
        activity = {INPUT: torch.from_numpy(np.ascontiguousarray(chunk.swapaxes(0, 1)))}
        for layer in graph.layers:
            spikes = _step_layer(layer, activity[layer.source], weights[layer.name])
            activity[layer.name] = spikes
            kept[layer.name][start : start + batch] = spikes.numpy().swapaxes(0, 1)
    return Recording(graph, inputs, kept, "fast", time.perf_counter() - started)


def _bytes_a_sample(graph: Graph) -> int:
    # What the largest layer computes with in float32, and all activity kept for later layers.
    sizes = [layer.size for layer in graph.layers] + [int(np.prod(graph.input_shape))]
    return 4 * graph.time_steps * (3 * max(sizes) + sum(sizes))


@torch.inference_mode()
def _step_layer(layer: Layer, source: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Spikes ``(T, N, *kept_shape)`` of a layer from its source's activity ``(T, N, *shape)``."""
    steps, batch = source.shape[:2]
    sums = synaptic_sums(layer.connection, weight, source.flatten(0, 1))
    current = sums.numpy().reshape(steps, -1)
    spikes = np.empty_like(current)
    neuron = layer.neuron
    kernels.lif_forward(
        current,
        np.empty(0, np.int32),
        DECAY_UNITY - neuron.current_decay,
        DECAY_UNITY - neuron.voltage_decay,
        neuron.threshold << STATE_SHIFT,
        spikes,
        np.empty((0, 0), np.float32),
    )
    return torch.from_numpy(spikes).view(steps, batch, *layer.kept_shape)
