"""Spikes of every layer of a run, aligned in time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from deploy.graph import Graph
from deploy.measured import Measured


class LayerSpikes(Mapping):
    """Spikes by layer name, in the shape of the network that was compiled: ``(N, T, *layer shape)`` uint8.

    What compaction removed does not run and is zero here. The full arrays are made on access; what survived
    is at hand without a copy in :attr:`Recording.kept`.
    """

    def __init__(self, graph: Graph, kept: Mapping[str, np.ndarray]):
        self._graph, self._kept = graph, kept

    def __getitem__(self, name: str) -> np.ndarray:
        return self._graph[name].expand(self._kept[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


class PackedSpikes(Mapping):
    """Spikes of surviving neurons by layer, a bit each until they are asked for.

    What has been asked for is held as ``(N, T, *kept_shape)`` uint8 from then on, eight times as large.

    Parameters
    ----------
    packed : dict of str to uint8 array of shape (T, neurons, bytes)
        Bits of the samples of each neuron and step, the first sample lowest.
    shapes : dict of str to tuple of int
        Each layer's ``kept_shape``.
    samples : int
    """

    def __init__(self, packed: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], samples: int):
        self._packed, self._shapes, self._samples = packed, shapes, samples
        self._unpacked: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._unpacked:
            packed = self._packed[name]
            steps = len(packed)
            bits = np.unpackbits(packed, axis=-1, count=self._samples, bitorder="little")
            self._unpacked[name] = np.moveaxis(bits, -1, 0).reshape(self._samples, steps, *self._shapes[name])
        return self._unpacked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclass(frozen=True, eq=False)
class Recording:
    """What a backend ran: index t of every layer belongs to input step t, whatever its depth.

    Attributes
    ----------
    graph : Graph
    inputs : integer array of shape (N, T, *input_shape)
    kept : mapping of str to uint8 array
        Spikes of the surviving neurons, ``(N, T, *kept_shape)``, of the layers that were recorded.
    backend : str
    seconds : float
        Time the backend took, start-up included.
    measured : Measured or None
        Energy, time and activity, where a board measured them.
    """

    graph: Graph
    inputs: np.ndarray
    kept: Mapping[str, np.ndarray]
    backend: str
    seconds: float
    measured: Measured | None = None

    @property
    def spikes(self) -> LayerSpikes:
        """Spikes of every layer in the network's shapes, ``(N, T, *layer shape)``."""
        return LayerSpikes(self.graph, self.kept)

    @property
    def output(self) -> np.ndarray:
        """Spikes of the output layer, ``(N, T, classes)``."""
        return self.spikes[self.graph.output.name]

    @property
    def predictions(self) -> np.ndarray:
        """Class that fires most for each sample, int64 ``(N,)``; of classes that fire alike the lowest."""
        return self.output.sum(1, dtype=np.int64).argmax(1)

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of samples whose prediction is the label, 0 to 1."""
        return float((self.predictions == labels).mean())
