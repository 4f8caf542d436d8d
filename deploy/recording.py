"""Spikes, or messages, of every layer of a run, aligned in time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from deploy.ir import Graph
from deploy.ir.geometry import Shape
from deploy.measured import Measured
from dpap.errors import InputError
from dpap.files.writing import write_atomically

BYTE = 8
"""Samples whose spikes share a byte of a recording."""


def unpacked(packed: np.ndarray, shape: Shape, start: int, stop: int) -> np.ndarray:
    """Spikes of some samples, uint8 ``(samples, T, *shape)``, from a bit each.

    Parameters
    ----------
    packed : uint8 array of shape (T, neurons, bytes)
        Bits of the samples of each neuron and step, the first sample lowest.
    shape : tuple of int
        The layer's ``kept_shape``.
    start, stop : int
    """
    first = start // BYTE
    bits = np.unpackbits(packed[..., first:], axis=-1, count=stop - first * BYTE, bitorder="little")
    return np.moveaxis(bits[..., start - first * BYTE :], -1, 0).reshape(stop - start, len(packed), *shape)


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
    """Spikes of surviving neurons by layer, a bit each until they are read.

    Layers that were read are held as ``(N, T, *kept_shape)`` uint8 from then on, eight times as large.

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
            self._unpacked[name] = unpacked(self._packed[name], self._shapes[name], 0, self._samples)
        return self._unpacked[name]

    def part(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """The spikes of some samples; they are not held."""
        return {
            name: unpacked(packed, self._shapes[name], start, stop) for name, packed in self._packed.items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclass(frozen=True, eq=False)
class Recording:
    """The activity of a run: index t of every layer belongs to input step t, whatever its depth.

    Attributes
    ----------
    graph : Graph
    inputs : integer array of shape (N, T, *input_shape)
        Of a recording in a file an object that reads what it is indexed for.
    kept : mapping of str to array
        Spikes of the surviving neurons, ``(N, T, *kept_shape)`` uint8, or int32 messages of sigma-delta
        units, of the layers that were recorded.
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

    @cached_property
    def sent_inputs(self) -> np.ndarray:
        """Activity of the input, ``(N, T, *input_shape)``: itself, or messages of its changes."""
        return self.graph.sent_inputs(self.inputs)

    @property
    def output(self) -> np.ndarray:
        """Spikes (or messages) of the output layer, ``(N, T, classes)``."""
        return self.spikes[self.graph.output.name]

    def batches(self, samples: int) -> Iterator["Recording"]:
        """Parts of so many samples in memory, one after the other; the whole may be larger than memory."""
        for start in range(0, len(self.inputs), samples):
            stop = min(start + samples, len(self.inputs))
            if hasattr(self.kept, "part"):
                kept = self.kept.part(start, stop)
            else:
                kept = {name: spikes[start:stop] for name, spikes in self.kept.items()}
            yield replace(self, inputs=self.inputs[start:stop], kept=kept)

    def save(self, path: str | Path) -> None:
        """Write as HDF5 (:mod:`deploy.formats.recording`); the file appears whole or not at all.

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        from deploy.formats.recording import save_recording

        write_atomically(path, lambda temporary: save_recording(self, temporary))

    @property
    def scores(self) -> np.ndarray:
        """The evidence for each class after each step, int64 ``(N, T, classes)``.

        The spikes so far; of sigma-delta units the activations so far, each the sum of the messages until
        then. In network evaluation the sum of outputs over time.
        """
        return self.graph.activity.scores(self.output)

    @property
    def predictions(self) -> np.ndarray:
        """Class with the highest score after the last step, int64 ``(N,)``; of equal ones the lowest."""
        return self.scores[:, -1].argmax(1)

    def __repr__(self) -> str:
        samples, steps = self.inputs.shape[:2]
        return f"<Recording of {samples} samples, T = {steps}, on {self.backend}: {', '.join(self.kept)}>"

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of samples whose prediction is the label, 0 to 1.

        Raises
        ------
        InputError
            There is no sample, or there are other than as many labels.
        """
        if not len(self.predictions) or np.shape(labels) != self.predictions.shape:
            raise InputError(
                f"labels of shape {np.shape(labels)} for {len(self.predictions)} samples; one a sample is"
                " expected, and at least one"
            )
        return float((self.predictions == labels).mean())
