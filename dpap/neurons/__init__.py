"""Neurons: their parameters, their exact integer dynamics, and their surrogate gradients."""

from dpap.neurons.function import lif
from dpap.neurons.parameters import LIF
from dpap.neurons.surrogate import SURROGATES

__all__ = ["LIF", "SURROGATES", "lif"]
