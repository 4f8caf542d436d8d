"""The integer graph of a compiled network."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import sparse

from deploy.ir.activity import CHANGES, SPIKES, Activity
from deploy.ir.connection import unrolled
from deploy.ir.delta_encoder import InputDeltaEncoder
from deploy.ir.geometry import Shape
from deploy.ir.layer import Incoming, Layer
from deploy.ir.removed import Removed

INPUT = "input"
"""Name of the network's input as a source."""


@dataclass(frozen=True, eq=False)
class Graph:
    """An integer network, ready to run: made by :func:`deploy.compile` or :func:`deploy.load`.

    Attributes
    ----------
    input_shape : tuple of int
        ``(C, H, W)`` or ``(F,)``.
    input_max : int
        Largest input value; above 1 the input is graded spikes.
    time_steps : int
        Steps of an inference, after which all states are reset.
    layers : tuple of Layer
        In the order of computation: each comes after its sources, itself apart. The last is the output.
    description : dict of str to str
        Where it comes from: notation, versions.
    encoder : InputDeltaEncoder or None
        What makes messages of the input, where the layers send changes of activations; otherwise None.
    """

    input_shape: Shape
    input_max: int
    time_steps: int
    layers: tuple[Layer, ...]
    description: dict[str, str] = field(default_factory=dict)
    encoder: InputDeltaEncoder | None = None

    def __getitem__(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def output(self) -> Layer:
        """The layer whose spikes are the result."""
        return self.layers[-1]

    @property
    def activity(self) -> Activity:
        """What its layers send: changes of activations where there is an encoder of changes, else spikes."""
        return SPIKES if self.encoder is None else CHANGES

    @property
    def sigma_delta(self) -> bool:
        """Whether what its layers send is graded; ``activity.graded`` says the same."""
        return self.activity.graded

    def sent_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """The activity of the input: itself, or the messages of its encoder.

        Parameters
        ----------
        inputs : unsigned integer array of shape (N, T, *input_shape)

        Returns
        -------
        array of the same shape, int32 where there is an encoder
        """
        return inputs if self.encoder is None else self.encoder.messages(inputs)

    def source_shape(self, incoming: Incoming) -> Shape:
        """Shape of what survived of a source."""
        return self.input_shape if incoming.source == INPUT else self[incoming.source].kept_shape

    def synapse_matrix(self, layer: Layer) -> sparse.csr_matrix:
        """Every synapse of a layer by itself, kernels unrolled and pools included.

        Returns
        -------
        int32 csr_matrix of shape (neurons, source neurons)
            The neurons of all sources, one source after the other in the order of ``layer.inputs``.
        """
        parts = [unrolled(incoming.connection, self.source_shape(incoming)) for incoming in layer.inputs]
        return parts[0] if len(parts) == 1 else sparse.csr_matrix(sparse.hstack(parts, dtype=np.int32))

    def synapses(self) -> dict[str, int]:
        """Synapses of each layer with a weight other than zero, kernels unrolled and pools included."""
        return {layer.name: self.synapse_matrix(layer).nnz for layer in self.layers}

    @property
    def removed(self) -> Removed:
        """Channels (neurons, in a flat layer) that compaction removed from each layer, by why."""
        indices = {
            layer.name: {"silent": layer.silent.tolist(), "unheard": sorted(layer.without_fan_out.tolist())}
            for layer in self.layers
        }
        return Removed(indices, {layer.name: layer.shape[0] for layer in self.layers})

    @property
    def neurons(self) -> int:
        """Neurons that survived, in all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def stored_weights(self) -> int:
        """Weights that are stored, in all layers."""
        return sum(layer.stored_weights for layer in self.layers)

    def __repr__(self) -> str:
        names = ", ".join(layer.name for layer in self.layers)
        return (
            f"<Graph of {self.input_shape} from 0 to {self.input_max}, T = {self.time_steps}: {names};"
            f" {self.neurons} neurons, {self.stored_weights} weights>"
        )

    def save(self, path: str | Path) -> None:
        """Write as HDF5 (:mod:`deploy.formats.h5`); the file appears whole or not at all."""
        from deploy.formats.h5 import save

        save(self, path)
