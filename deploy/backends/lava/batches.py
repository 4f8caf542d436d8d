"""Samples in batches of bounded memory, and the spikes of all of them."""

from collections.abc import Collection

import numpy as np

from deploy.ir import Graph
from deploy.recording import BYTE, PackedSpikes


def batches(graph: Graph, inputs: np.ndarray, recorded: Collection[str], memory_bytes: int) -> list[slice]:
    """Cut samples so that what a batch takes stays below a limit; a sample by itself may exceed it.

    A batch takes its inputs and a byte (four for a message) for each recorded neuron and step, in files that
    the two sides map into memory, and as much again while they are written and read.
    """
    neurons = sum(layer.size for layer in graph.layers if layer.name in recorded)
    sent_bytes = neurons * graph.activity.dtype.itemsize
    steps = inputs.shape[1]
    sample_bytes = 2 * steps * (sent_bytes + int(np.prod(graph.input_shape)) * inputs.itemsize)
    size = max(1, memory_bytes // sample_bytes)
    return [slice(start, start + size) for start in range(0, len(inputs), size)]


class SpikeStore:
    """Spikes of all samples, a bit each, gathered batch by batch.

    Parameters
    ----------
    graph : Graph
    samples : int
    recorded : collection of str
        Layers whose spikes are kept.
    """

    def __init__(self, graph: Graph, samples: int, recorded: Collection[str]):
        layers = [layer for layer in graph.layers if layer.name in recorded]
        self._samples = samples
        self._shapes = {layer.name: layer.kept_shape for layer in layers}
        self._packed = {
            layer.name: np.zeros((graph.time_steps, layer.size, -(-samples // BYTE)), np.uint8)
            for layer in layers
        }

    def add(self, first: int, spikes: dict[str, np.ndarray]) -> None:
        """Keep a batch.

        Parameters
        ----------
        first : int
            Number of its first sample.
        spikes : dict of str to uint8 array of shape (samples, T, *kept_shape)
        """
        byte, bit = divmod(first, BYTE)
        for name, packed in self._packed.items():
            flat = spikes[name].reshape(*spikes[name].shape[:2], -1)
            # The samples before the first in its byte belong to an earlier batch.
            shifted = np.pad(np.moveaxis(flat, 0, -1), ((0, 0), (0, 0), (bit, 0)))
            bits = np.packbits(shifted, axis=-1, bitorder="little")
            packed[..., byte : byte + bits.shape[-1]] |= bits

    @property
    def kept(self) -> PackedSpikes:
        """The spikes of all batches so far; of samples to come there are none."""
        return PackedSpikes(self._packed, self._shapes, self._samples)


class MessageStore:
    """Messages of all samples, int32, gathered batch by batch; as :class:`SpikeStore`.

    Attributes
    ----------
    kept : dict of str to int32 array of shape (samples, T, *kept_shape)
    """

    def __init__(self, graph: Graph, samples: int, recorded: Collection[str]):
        self.kept = {
            layer.name: np.zeros((samples, graph.time_steps, *layer.kept_shape), np.int32)
            for layer in graph.layers
            if layer.name in recorded
        }

    def add(self, first: int, messages: dict[str, np.ndarray]) -> None:
        """Keep a batch whose first sample has this number."""
        for name, kept in self.kept.items():
            kept[first : first + len(messages[name])] = messages[name]


def store_for(graph: Graph, samples: int, recorded: Collection[str]) -> SpikeStore | MessageStore:
    """The store of what a graph's layers send."""
    kind = MessageStore if graph.activity.graded else SpikeStore
    return kind(graph, samples, recorded)
