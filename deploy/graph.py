"""The names that :mod:`deploy.ir` had before; they stay for programs that import them."""

from deploy.ir import (
    INPUT,
    Connection,
    ConvConnection,
    CubaLIF,
    Geometry,
    Graph,
    Incoming,
    InputDeltaEncoder,
    Layer,
    MatrixConnection,
    Maximum,
    SigmaDelta,
)
from deploy.ir import Neuron as NeuronKind
from dpap.errors.renamed import old_names

__all__ = [
    "INPUT",
    "Connection",
    "ConvConnection",
    "CubaLIF",
    "Geometry",
    "Graph",
    "Incoming",
    "InputDeltaEncoder",
    "Layer",
    "MatrixConnection",
    "Maximum",
    "NeuronKind",
    "SigmaDelta",
]

__getattr__ = old_names("deploy.ir", {"DeltaEncoder": "InputDeltaEncoder", "Neuron": "CubaLIF"})
