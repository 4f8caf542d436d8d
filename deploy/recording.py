"""Spikes, or messages, of every layer of a run, aligned in time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deploy.graph import Graph


class LayerSpikes(Mapping):
    """Spikes by layer name, in the shape of the network that was compiled: ``(N, T, *layer shape)``.

    They are uint8; of sigma-delta units messages, int32.

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
    kept : mapping of str to array
        Spikes of the surviving neurons, ``(N, T, *kept_shape)`` uint8, or int32 messages of sigma-delta
        units, of the layers that were recorded.
    backend : str
    seconds : float
        Time the backend took, start-up included.
    """

    graph: Graph
    inputs: np.ndarray
    kept: Mapping[str, np.ndarray]
    backend: str
    seconds: float

    @property
    def spikes(self) -> LayerSpikes:
        """Spikes of every layer in the network's shapes, ``(N, T, *layer shape)``."""
        return LayerSpikes(self.graph, self.kept)

    @cached_property
    def sent_inputs(self) -> np.ndarray:
        """What the input sent, ``(N, T, *input_shape)``: itself, or messages of its changes."""
        return self.graph.sent_inputs(self.inputs)

    @property
    def output(self) -> np.ndarray:
        """Spikes (or messages) of the output layer, ``(N, T, classes)``."""
        return self.spikes[self.graph.output.name]

    @property
    def scores(self) -> np.ndarray:
        """What speaks for each class after each step, int64 ``(N, T, classes)``.

        The spikes so far; of sigma-delta units the activations so far, each the sum of the messages until
        then. In network evaluation the sum of outputs over time.
        """
        counted = self.output.cumsum(axis=1, dtype=np.int64)
        return counted.cumsum(axis=1) if self.graph.sigma_delta else counted

    @property
    def predictions(self) -> np.ndarray:
        """Class with the highest score after the last step, int64 ``(N,)``; of equal ones the lowest."""
        return self.scores[:, -1].argmax(1)

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of samples whose prediction is the label, 0 to 1."""
        return float((self.predictions == labels).mean())
