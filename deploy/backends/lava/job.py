"""The files that the two sides of a run exchange.

``job.json``
    ``samples``, ``time_steps``, ``steps``, the ``encoder`` of changes (or null) and a list of ``layers``,
    each with ``lag`` (steps behind the input), its ``size``, whether it is ``recorded``, the ``kind`` of its
    neurons and their parameters, whether ``sums`` of weights drive them, and a list of ``inputs``: ``source``
    (the index of a layer, or null for the input), its ``lag``, and whether there are ``axons``.
``inputs.npy``
    (samples x time_steps, inputs), unsigned.
``synapses<i>-<j>.npz``
    The int32 csr matrix of input j of layer i, kernels and pools unrolled: every synapse by itself.
``axons<i>-<j>.npy``
    int64 (2, sources): steps until each source's spikes are passed on, and how many last steps of a sample
    they are left out in.
``bias<i>.npy``
    int32 (neurons,), or empty.
``spikes<i>.npy``
    (N, T, *kept_shape) uint8, of layers that are recorded; int32 for messages of sigma-delta units. Made
    here, so that a disk that is too small says so before the run; the worker maps it into memory, and Lava
    writes into it.
``overflow<i>.npy``
    int64 (3,), of spiking layers; the step of the input, the neuron and the current that left its 24 bits
    first, or -1; written by Lava.
``step.npy``
    The step that runs, from 1; written by Lava at every step.
``done``
    Made by the worker after the last spike is written.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from deploy.errors import ActivationOverflow
from deploy.ir import INPUT, Graph, Incoming, Layer
from deploy.ir.connection import unrolled
from dpap.neurons.currents import Overflow
from dpap.neurons.parameters import STATE_SHIFT


@dataclass(frozen=True)
class Job:
    """One run, as files in a folder.

    Attributes
    ----------
    folder : Path
    names : tuple of str
        Layers of the graph.
    recorded : tuple of str
        Those whose spikes are kept.
    samples, time_steps : int
    depth : int
        Steps that the last layer in the pipeline lags behind the input.
    synapses : int
        Unrolled synapses of all layers.
    """

    folder: Path
    names: tuple[str, ...]
    recorded: tuple[str, ...]
    samples: int
    time_steps: int
    depth: int
    synapses: int

    @classmethod
    def write(cls, folder: Path, graph: Graph, inputs: np.ndarray, recorded: Collection[str]) -> "Job":
        """Write all that a worker needs.

        Parameters
        ----------
        folder : Path
            An empty folder.
        graph : Graph
        inputs : unsigned integer array of shape (N, T, *input_shape), N at least 1
        recorded : collection of str
            Layers whose spikes are kept.

        Raises
        ------
        OSError
            The folder has no room.
        """
        samples, time_steps = inputs.shape[:2]
        np.save(folder / "inputs.npy", inputs.reshape(samples * time_steps, -1))
        np.save(folder / "step.npy", np.zeros(1, np.int64))
        index = {layer.name: i for i, layer in enumerate(graph.layers)}
        kind = graph.activity.dtype
        lags = {INPUT: 0}
        layers, synapses = [], 0
        for i, layer in enumerate(graph.layers):
            before = max(lags[source] for source in layer.sources if source != layer.name)
            lags[layer.name] = before + layer.neuron.lag
            np.save(folder / f"bias{i}.npy", layer.neuron_bias)
            np.save(folder / f"overflow{i}.npy", np.full(3, -1, np.int64))
            inputs_of_layer = []
            for j, incoming in enumerate(layer.inputs):
                matrix = unrolled(incoming.connection, graph.source_shape(incoming))
                synapses += matrix.nnz
                sparse.save_npz(folder / f"synapses{i}-{j}.npz", matrix, compressed=False)
                axons = _axons(layer, incoming, matrix.shape[1], before - lags[incoming.source])
                if axons is not None:
                    np.save(folder / f"axons{i}-{j}.npy", axons)
                inputs_of_layer.append(
                    {
                        "source": index.get(incoming.source),
                        "lag": lags[incoming.source],
                        "axons": axons is not None,
                    }
                )
            if layer.name in recorded:
                # Written out, since a file with holes would fail for lack of room in the middle of the run.
                np.save(folder / f"spikes{i}.npy", np.zeros((samples, time_steps, *layer.kept_shape), kind))
            layers.append(
                {
                    "inputs": inputs_of_layer,
                    "lag": lags[layer.name],
                    "size": layer.size,
                    "recorded": layer.name in recorded,
                    "kind": layer.neuron.kind,
                    "sums": layer.neuron.sums,
                    **asdict(layer.neuron),
                }
            )
        chosen = tuple(name for name in index if name in recorded)
        job = cls(folder, tuple(index), chosen, samples, time_steps, max(lags.values()), synapses)
        description = {
            "samples": samples,
            "time_steps": time_steps,
            "steps": job.steps,
            "encoder": None if graph.encoder is None else asdict(graph.encoder),
            "layers": layers,
        }
        (folder / "job.json").write_text(json.dumps(description), encoding="utf-8")
        return job

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.names)

    @property
    def steps(self) -> int:
        """Steps of the pipelined run: all input, and until the last layer has seen it."""
        return self.samples * self.time_steps + self.depth

    @property
    def samples_done(self) -> int:
        """Samples that have passed through all layers."""
        step = int(np.load(self.folder / "step.npy", allow_pickle=False)[0])
        return max(0, step - 1 - self.depth) // self.time_steps

    @property
    def finished(self) -> bool:
        """Whether all spikes have been written."""
        return (self.folder / "done").exists()

    def first_overflow(self, graph: Graph, first_sample: int) -> ActivationOverflow | None:
        """The error for a current that left its 24 bits, of the first layer with one.

        Parameters
        ----------
        graph : Graph
        first_sample : int
            Number of the job's first sample.
        """
        for i, layer in enumerate(graph.layers):
            index, neuron, current = np.load(self.folder / f"overflow{i}.npy", allow_pickle=False).tolist()
            if index >= 0:
                sample, step = divmod(index, self.time_steps)
                place = layer.neuron_index(neuron)
                return Overflow(first_sample + sample, step, place, current >> STATE_SHIFT).error(layer.name)
        return None

    def read_spikes(self) -> dict[str, np.ndarray]:
        """Activity of the recorded layers, in the files: ``(N, T, *kept_shape)`` uint8, or int32."""
        return {
            name: np.load(self.folder / f"spikes{i}.npy", mmap_mode="r", allow_pickle=False)
            for i, name in enumerate(self.names)
            if name in self.recorded
        }


def _axons(layer: Layer, incoming: Incoming, sources: int, wait: int) -> np.ndarray | None:
    """Delays and margins of an input's axons, or None where there is nothing to do.

    ``wait`` is how much earlier its source is than the latest of the layer's.
    """
    delays = np.zeros(sources, np.int64)
    if incoming.delays is not None:
        delays += incoming.delays.ravel()
    if incoming.source == layer.name:
        # The synapses themselves take the step that a recurrent spike is late.
        return np.stack([delays, delays + 1])
    return np.stack([delays + wait, delays]) if wait or delays.any() else None
