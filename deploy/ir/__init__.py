"""The intermediate representation: an integer network that holds only what survived."""

from deploy.ir.connection import Connection, ConvConnection, MatrixConnection
from deploy.ir.geometry import Geometry
from deploy.ir.graph import INPUT, Graph
from deploy.ir.layer import Incoming, Layer
from deploy.ir.neurons import DeltaEncoder, Maximum, Neuron, NeuronKind, SigmaDelta

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
