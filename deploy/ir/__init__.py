"""The intermediate representation: a network in integers, without what was pruned."""

from deploy.ir.connection import Connection, ConvConnection, MatrixConnection
from deploy.ir.geometry import Geometry
from deploy.ir.graph import INPUT, Graph
from deploy.ir.layer import Incoming, Layer
from deploy.ir.neurons import InputDeltaEncoder, Maximum, Neuron, NeuronKind, SigmaDelta
from dpap.errors.renamed import old_names

__all__ = [
    "INPUT",
    "Connection",
    "ConvConnection",
    "Geometry",
    "Graph",
    "Incoming",
    "InputDeltaEncoder",
    "Layer",
    "MatrixConnection",
    "Maximum",
    "Neuron",
    "NeuronKind",
    "SigmaDelta",
]

__getattr__ = old_names(__name__, {"DeltaEncoder": "InputDeltaEncoder"})
