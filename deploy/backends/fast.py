"""The fast backend: a vectorised simulator in exact integers, bit for bit what Lava computes.

Every layer runs over all time steps of many samples at once: synapses as one convolution or matrix product
with time folded into the batch, neurons as the compiled kernel of :mod:`dpap.neurons.kernels`. float32
holds the sums exactly, since compilation proved that they stay below 2**17. A recurrent layer runs step by
step, since each step waits for the one before.
"""

import time

import numpy as np
import torch

from deploy.arrivals import delayed
from deploy.graph import INPUT, Graph, Layer
from deploy.recording import Recording
from deploy.synapses import dense_weight, synaptic_sums
from dpap.neurons import kernels, reference
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
        layer.name: [
            torch.from_numpy(dense_weight(incoming.connection).astype(np.float32))
            for incoming in layer.inputs
        ]
        for layer in graph.layers
    }
    for start in range(0, samples, batch):
        chunk = inputs[start : start + batch].astype(np.float32)
        # Time-major, so that one step of all neurons is contiguous.
        activity = {INPUT: torch.from_numpy(np.ascontiguousarray(chunk.swapaxes(0, 1)))}
        for layer in graph.layers:
            spikes = _run_layer(layer, activity, weights[layer.name])
            activity[layer.name] = spikes
            kept[layer.name][start : start + batch] = spikes.numpy().swapaxes(0, 1)
    return Recording(graph, inputs, kept, "fast", time.perf_counter() - started)


def _bytes_a_sample(graph: Graph) -> int:
    # What the largest layer computes with in float32, and all activity kept for later layers.
    sizes = [layer.size for layer in graph.layers] + [int(np.prod(graph.input_shape))]
    return 4 * graph.time_steps * (3 * max(sizes) + sum(sizes))


@torch.inference_mode()
def _run_layer(layer: Layer, activity: dict[str, torch.Tensor], weights: list[torch.Tensor]) -> torch.Tensor:
    """Spikes ``(T, N, *kept_shape)`` of a layer from its sources' activity ``(T, N, *shape)``."""
    steps, samples = activity[INPUT].shape[:2]
    current = torch.zeros(steps, samples, layer.size)
    own = []
    for incoming, weight in zip(layer.inputs, weights, strict=True):
        if incoming.source == layer.name:
            own.append(weight)
            continue
        source = torch.from_numpy(delayed(activity[incoming.source].numpy(), incoming.delays, time_axis=0))
        sums = synaptic_sums(incoming.connection, weight, source.flatten(0, 1))
        current += sums.view(current.shape)
    if own:
        spikes = _recurrent_spikes(layer, current, sum(own))
    else:
        spikes = torch.from_numpy(_spikes(layer, current.view(steps, -1).numpy()))
    return spikes.view(steps, samples, *layer.kept_shape)


def _spikes(layer: Layer, current: np.ndarray) -> np.ndarray:
    spikes = np.empty_like(current)
    neuron = layer.neuron
    kernels.lif_forward(
        current,
        layer.neuron_bias << STATE_SHIFT,
        DECAY_UNITY - neuron.current_decay,
        DECAY_UNITY - neuron.voltage_decay,
        neuron.threshold << STATE_SHIFT,
        spikes,
        np.empty((0, 0), np.float32),
    )
    return spikes


def _recurrent_spikes(layer: Layer, current: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Spikes ``(T, N, neurons)`` where each step adds the sums over the layer's own spikes before."""
    neuron = layer.neuron
    keeps = DECAY_UNITY - neuron.current_decay, DECAY_UNITY - neuron.voltage_decay
    bias = 0 if layer.bias is None else torch.from_numpy(layer.neuron_bias.astype(np.int64)) << STATE_SHIFT
    spikes = torch.empty_like(current)
    fired = torch.zeros_like(current[0])
    state = fired.to(torch.int64), fired.to(torch.int64)
    for step, sums in enumerate(current):
        total = (sums + fired @ weight.T).to(torch.int64) << STATE_SHIFT
        state, fired, _ = reference.step(state, total, bias, keeps, neuron.threshold << STATE_SHIFT)
        fired = fired.to(current.dtype)
        spikes[step] = fired
    return spikes
