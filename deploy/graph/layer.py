"""A population of neurons and the synapses that reach it."""

from dataclasses import dataclass

import numpy as np

from deploy.graph.connection import Connection, Shape


@dataclass(frozen=True)
class Neuron:
    """Integer parameters of a leaky integrate-and-fire population, as Lava and Loihi take them.

    Attributes
    ----------
    current_decay, voltage_decay : int
        Decays in 1/4096, 0 to 4096.
    threshold : int
        Threshold mantissa, 1 to 131071; a neuron fires where its voltage exceeds 64 times it.
    """

    current_decay: int
    voltage_decay: int
    threshold: int


@dataclass(frozen=True)
class ConvolutionShape:
    """Kernel and padding of the convolution that a layer was compiled from.

    Its synapses may be encoded otherwise; this says which there were before pruning.

    Attributes
    ----------
    kernel, padding : int
        Side of the kernel and zeros added at each border. The stride is 1.
    """

    kernel: int
    padding: int


@dataclass(frozen=True, eq=False)
class Layer:
    """One population of neurons.

    Attributes
    ----------
    name : str
        Name in the network it was compiled from.
    source : str
        Name of the population that its synapses come from; ``input`` is the network's input.
    shape : tuple of int
        Shape in that network, ``(C, H, W)`` or ``(F,)``.
    kept : int32 array
        Channels (neurons, in a flat layer) that survived, ascending.
    unheard : int32 array
        Channels (neurons) that were removed although they may fire, since no synapse listens to them. All
        others that were removed are silent for any input.
    neuron : Neuron
    connection : Connection
        Synapses between what survived on both sides.
    scale : float
        Integer units of a weight for one unit of the trained, real weight.
    convolution : ConvolutionShape or None
        Set where the layer was a convolution.
    """

    name: str
    source: str
    shape: Shape
    kept: np.ndarray
    unheard: np.ndarray
    neuron: Neuron
    connection: Connection
    scale: float
    convolution: ConvolutionShape | None = None

    @property
    def kept_shape(self) -> Shape:
        """Shape of what survived."""
        return (len(self.kept), *self.shape[1:])

    @property
    def size(self) -> int:
        """Neurons that survived."""
        return int(np.prod(self.kept_shape))

    def expand(self, values: np.ndarray) -> np.ndarray:
        """Place values of surviving neurons, ``(..., *kept_shape)``, into the full shape, zero elsewhere."""
        lead = values.shape[: values.ndim - len(self.shape)]
        full = np.zeros((*lead, *self.shape), values.dtype)
        index = (slice(None),) * len(lead) + (self.kept,)
        full[index] = values
        return full
