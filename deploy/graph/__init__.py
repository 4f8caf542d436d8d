"""The intermediate representation: an integer network that holds only what survived."""

from deploy.graph.connection import Connection, ConvConnection, MatrixConnection
from deploy.graph.geometry import Geometry
from deploy.graph.graph import INPUT, Graph
from deploy.graph.layer import Incoming, Layer
from deploy.graph.neurons import DeltaEncoder, Maximum, Neuron, NeuronKind, SigmaDelta

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
