"""Neurons: their parameters, their exact integer dynamics, and their surrogate gradients."""

from dpap.neurons.function import Population, lif, lif_pool, membrane
from dpap.neurons.parameters import LIF
from dpap.neurons.surrogate import SURROGATES

__all__ = ["LIF", "SURROGATES", "Population", "lif", "lif_pool", "membrane"]
