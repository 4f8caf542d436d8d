"""The names that :mod:`deploy.ir` had before; they stay for programs that import them."""

from deploy.ir import (
    INPUT,
    Connection,
    ConvConnection,
    Geometry,
    Graph,
    Incoming,
    Layer,
    MatrixConnection,
    Maximum,
    SigmaDelta,
)
from deploy.ir import CubaLIF as Neuron
from deploy.ir import InputDeltaEncoder as DeltaEncoder
from deploy.ir import Neuron as NeuronKind

__all__ = [
    "INPUT",
    "Connection",
    "ConvConnection",
    "DeltaEncoder",
    "Geometry",
    "Graph",
    "Incoming",
    "Layer",
    "MatrixConnection",
    "Maximum",
    "Neuron",
    "NeuronKind",
    "SigmaDelta",
]
