"""The workload of a network: the counts that cost sets price."""

from dataclasses import dataclass
from typing import Literal

from deploy.hardware.mapping import Mapping
from deploy.hardware.traffic import Traffic

ActiveUpdates = Literal["input", "spiking", "all"]

Unknown = Literal["refuse", "bound"]


@dataclass(frozen=True)
class LayerWork:
    """Counts of one layer over a recording.

    Attributes
    ----------
    encoding : str
        Of its synapses: ``dense``, ``sparse`` or ``convolution``.
    synops : int
        Synaptic events, a graded input spike counted by its magnitude.
    updates : int
        Neurons times steps.
    updated : int
        Of these, the updates in which at least one spike arrived.
    fired : int
        Spikes emitted.
    """

    encoding: str
    synops: int
    updates: int
    updated: int
    fired: int


@dataclass(frozen=True, eq=False)
class Workload:
    """Counts of a recording on mapped hardware.

    Attributes
    ----------
    samples, time_steps : int
    layers : dict of str to LayerWork
    traffic : Traffic
    mapping : Mapping
    """

    samples: int
    time_steps: int
    layers: dict[str, LayerWork]
    traffic: Traffic
    mapping: Mapping

    def total(self, count: str) -> int:
        """Sum of one count over layers."""
        return sum(getattr(layer, count) for layer in self.layers.values())


@dataclass(frozen=True)
class Options:
    """Choices that a cost set leaves open.

    Attributes
    ----------
    active : str
        Neuron updates that are active: those in which a spike arrives (``input``), those in which the neuron
        spikes (``spiking``), or ``all``.
    unknown : str
        What an unknown cost of an operation does: ``refuse`` the estimate, or leave the operation out, so
        that energies are lower bounds (``bound``).
    """

    active: ActiveUpdates = "input"
    unknown: Unknown = "refuse"
