"""Neurons: their parameters, their exact integer dynamics, and their surrogate gradients."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from dpap.neurons.function import Population, lif, lif_pool, membrane
from dpap.neurons.kinds import NEURONS
from dpap.neurons.kinds.lif import LIF
from dpap.neurons.kinds.relu import ReLU
from dpap.neurons.neuron import Neuron, SpikingNeuron
from dpap.neurons.surrogate import SURROGATES

if TYPE_CHECKING:
    AnyNeuron = Neuron
else:
    AnyNeuron = Annotated[reduce(or_, NEURONS.values()), Field(discriminator="type")]
"""Any kind of neuron, as the field of a model that is told its ``type``."""

_ADAPTER = TypeAdapter(AnyNeuron)


def read_neuron(described: dict[str, Any]) -> Neuron:
    """The neuron that ``neuron.model_dump()`` described; raises pydantic's ``ValidationError``."""
    return _ADAPTER.validate_python(described)


globals().update({kind.__name__: kind for kind in NEURONS.values()})

__all__ = [
    "LIF",
    "NEURONS",
    "SURROGATES",
    "AnyNeuron",
    "Neuron",
    "Population",
    "ReLU",
    "SpikingNeuron",
    "lif",
    "lif_pool",
    "membrane",
    "read_neuron",
    *(kind.__name__ for kind in NEURONS.values()),
]
