"""The cores of one layer, and the share of each that it takes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

NEURONS, SYNAPSE_MEMORY = "neurons", "synapse memory"
INPUT_AXONS, OUTPUT_AXONS = "input axons", "output axons"

ADVICE = {
    NEURONS: "split the layer over more cores",
    SYNAPSE_MEMORY: "prune synapses of this layer, or use fewer channels in its source",
    INPUT_AXONS: "prune neurons of its source, pool it, or make the layer a convolution",
    OUTPUT_AXONS: "prune the layer that receives its spikes, so that its neurons take fewer cores",
}
"""What to do where a core would have too much of a resource."""


@dataclass(frozen=True, eq=False)
class LayerMapping:
    """Cores of one layer.

    Attributes
    ----------
    encoding : str
        Of its synapses: ``dense``, ``sparse`` or ``convolution``.
    neurons, cores, first_core : int
        Its cores are ``first_core`` to ``first_core + cores - 1``, counted through all chips.
    limited_by : str
        What would be too full with one core less: ``neurons``, ``synapse memory``, ``input axons`` or
        ``output axons``; the neurons where they would be, and else the fullest. With one core, what is
        fullest on it.
    limits : dict of str to int
        What a core has of each, synaptic memory in bits.
    usage_by_core : dict of str to int64 array of shape (cores,)
        What each core has of each.
    fan_in : int
        Most input axons of one neuron.
    core_of : int64 array
        Core of each neuron, in the graph's order.
    stored : int64 csr_matrix of shape (axons, cores)
        Stored synapses of each axon on each of the layer's cores, zeros of a dense list included. Sources in
        one pooling window share an axon.
    axon_of : int64 array
        Axon of each source neuron, all sources one after the other; -1 for those in no pooling window.
    longest_delay : int
        Most steps that a synapse delays a spike.
    destinations : int64 array
        Axons on cores that each neuron of the layer sends its spikes to.
    """

    encoding: str
    neurons: int
    cores: int
    first_core: int
    limited_by: str
    limits: dict[str, int]
    usage_by_core: dict[str, np.ndarray]
    fan_in: int
    core_of: np.ndarray
    stored: sparse.csr_matrix
    axon_of: np.ndarray
    longest_delay: int
    destinations: np.ndarray

    @property
    def usage(self) -> dict[str, int]:
        """The use of each resource on the fullest core, synaptic memory in bits."""
        return {name: int(values.max()) for name, values in self.usage_by_core.items()}

    @property
    def utilisation(self) -> dict[str, float]:
        """The same over the limit; at most 1 where the layer fits."""
        return {name: used / self.limits[name] for name, used in self.usage.items()}

    @property
    def fits(self) -> bool:
        """Whether all cores keep within their limits.

        A neuron with more sources than a core has input axons fits nowhere.
        """
        return all(ratio <= 1 for ratio in self.utilisation.values())

    @cached_property
    def synapses_on(self) -> sparse.csr_matrix:
        """Stored synapses of each source neuron on each of the layer's cores, ``(source neurons, cores)``."""
        # An axon of -1 finds the empty row at the end.
        nothing = sparse.csr_matrix((1, self.cores), dtype=self.stored.dtype)
        return sparse.vstack([self.stored, nothing], format="csr")[self.axon_of]

    @cached_property
    def target_cores(self) -> np.ndarray:
        """Cores of the layer that each source neuron has an axon on, int64 ``(source neurons,)``."""
        return self.of_sources(self.stored.getnnz(axis=1).astype(np.int64))

    def of_sources(self, of_axons: np.ndarray) -> np.ndarray:
        """Values of the axons as values of the source neurons; zero for those in no pooling window."""
        return np.append(of_axons, of_axons.dtype.type(0))[self.axon_of]

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON; the arrays are left out."""
        fields = ("encoding", "neurons", "cores", "first_core", "limited_by", "usage", "utilisation", "fits")
        return {field: getattr(self, field) for field in fields}
