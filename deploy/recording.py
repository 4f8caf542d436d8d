"""Spikes of every layer of a run, aligned in time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from deploy.graph import Graph


class LayerSpikes(Mapping):
    """Spikes by layer name, in the shape of the network that was compiled: ``(N, T, *layer shape)`` uint8.

    What compaction removed does not run and is zero here. The full arrays are made on access; what survived
    is at hand without a copy in :attr:`Recording.kept`.
    """

    def __init__(self, graph: Graph, kept: dict[str, np.ndarray]):
        self._graph, self._kept = graph, kept

    def __getitem__(self, name: str) -> np.ndarray:
        return self._graph[name].expand(self._kept[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(frozen=True, eq=False)
class Recording:
    """What a backend ran: index t of every layer belongs to input step t, whatever its depth.

    Attributes
    ----------
    graph : Graph
    inputs : integer array of shape (N, T, *input_shape)
    kept : dict of str to uint8 array
        Spikes of the surviving neurons, ``(N, T, *kept_shape)``.
    backend : str
    seconds : float
        Time the backend took, start-up included.
    """

    graph: Graph
    inputs: np.ndarray
    kept: dict[str, np.ndarray]
    backend: str
    seconds: float

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
