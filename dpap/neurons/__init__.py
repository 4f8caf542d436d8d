"""Neurons: their parameters, their exact integer dynamics, and their surrogate gradients."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from dpap.neurons.function import Population, lif, lif_pool, membrane
from dpap.neurons.parameters import LIF
from dpap.neurons.relu import ReLU
from dpap.neurons.surrogate import SURROGATES

Neuron = LIF | ReLU
"""Any neuron that a network can have."""

_NEURONS = TypeAdapter(Annotated[Neuron, Field(discriminator="type")])


def read_neuron(described: dict[str, Any]) -> Neuron:
    """The neuron that ``neuron.model_dump()`` described; raises pydantic's ``ValidationError``."""
    return _NEURONS.validate_python(described)


__all__ = ["LIF", "SURROGATES", "Neuron", "Population", "ReLU", "lif", "lif_pool", "membrane", "read_neuron"]
