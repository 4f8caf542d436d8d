"""A population of neurons and the synapses that reach it."""

from dataclasses import dataclass

import numpy as np

from deploy.ir.connection import Connection
from deploy.ir.geometry import Geometry, Shape
from deploy.ir.neurons import Neuron
from deploy.ir.neurons.neuron import SpikingNeuron
from dpap.errors.renamed import old_property


@dataclass(frozen=True, eq=False)
class Incoming:
    """Synapses from one source.

    Attributes
    ----------
    source : str
        Name of the population that they come from; ``input`` is the network's input. A layer that is its own
        source is recurrent: its spikes arrive one step later.
    connection : Connection
        Synapses between what survived on both sides.
    convolution : Geometry or None
        Set where the layer was a convolution. The synapses may be encoded otherwise; this says which there
        were before pruning.
    delays : int16 array of the source's kept shape, or None
        Steps by which each neuron's spikes are late, at most ``time_steps``. What would arrive after the last
        step of a sample is lost.
    """

    source: str
    connection: Connection
    convolution: Geometry | None = None
    delays: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """One population of neurons.

    Attributes
    ----------
    name : str
        Name in the network it was compiled from.
    shape : tuple of int
        Shape in that network, ``(C, H, W)`` or ``(F,)``.
    kept : int32 array
        Channels (neurons, in a flat layer) that survived, ascending.
    without_fan_out : int32 array
        Channels (neurons) that were removed although they may fire, since no synapse leads on from them. All
        others that were removed are silent for any input.
    neuron : Neuron
        Of one of the kinds in :data:`deploy.ir.NEURONS`.
    inputs : tuple of Incoming
        Synapses by source; their sums add up.
    scale : float
        Integer units of a weight for one unit of the trained, real weight.
    bias : int32 array, one element for each of ``kept``, or None
        Added to the voltage in every step, times 64; of sigma-delta units, to the activation.
    observed_current : int or None
        Of spiking neurons the largest magnitude of a current on calibration samples, in units of synaptic
        sums, which its scale rests on where no proof does (:mod:`deploy.ir.currents`).
    """

    name: str
    shape: Shape
    kept: np.ndarray
    without_fan_out: np.ndarray
    neuron: Neuron
    inputs: tuple[Incoming, ...]
    scale: float
    bias: np.ndarray | None = None
    observed_current: int | None = None

    def __repr__(self) -> str:
        sources = " and ".join(self.sources)
        return (
            f"<Layer {self.name} of {self.shape}, {len(self.kept)} of {self.shape[0]} kept,"
            f" {self.neuron.kind}, from {sources}: {self.stored_weights} weights>"
        )

    unheard = old_property("unheard", "without_fan_out")  # old name

    @property
    def silent(self) -> np.ndarray:
        """Channels (neurons) that were removed since no input can make them fire, int32, ascending."""
        there = np.concatenate([self.kept, self.without_fan_out])
        return np.setdiff1d(np.arange(self.shape[0], dtype=np.int32), there)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in the order of ``inputs``."""
        return tuple(incoming.source for incoming in self.inputs)

    @property
    def recurrent(self) -> bool:
        """Whether the layer receives its own spikes."""
        return self.name in self.sources

    @property
    def stored_weights(self) -> int:
        """Weights that are stored, of all inputs."""
        return sum(incoming.connection.stored_weights for incoming in self.inputs)

    @property
    def kept_shape(self) -> Shape:
        """Shape of what survived."""
        return (len(self.kept), *self.shape[1:])

    @property
    def size(self) -> int:
        """Neurons that survived."""
        return int(np.prod(self.kept_shape))

    @property
    def neuron_bias(self) -> np.ndarray:
        """Bias of every neuron that survived, int32 ``(size,)``; empty where there is none."""
        if self.bias is None:
            return np.empty(0, np.int32)
        return np.repeat(self.bias, self.size // len(self.kept)).astype(np.int32)

    def neuron_index(self, flat: int) -> tuple[int, ...]:
        """Index in the network's ``shape`` of a neuron that survived, by its place among these."""
        channel, *position = np.unravel_index(flat, self.kept_shape)
        return int(self.kept[channel]), *(int(at) for at in position)

    def expand(self, values: np.ndarray) -> np.ndarray:
        """Place values of surviving neurons, ``(..., *kept_shape)``, into the full shape, zero elsewhere."""
        lead = values.shape[: values.ndim - len(self.shape)]
        full = np.zeros((*lead, *self.shape), values.dtype)
        index = (slice(None),) * len(lead) + (self.kept,)
        full[index] = values
        return full


def spiking(layer: Layer) -> SpikingNeuron:
    """The neurons of a layer of spiking neurons.

    Raises
    ------
    TypeError
        The layer has others.
    """
    if not isinstance(layer.neuron, SpikingNeuron):
        raise TypeError(f"{layer.name} has {layer.neuron.kind} units; expected spiking neurons")
    return layer.neuron
