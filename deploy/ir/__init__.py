"""The intermediate representation: a network in integers, without what was pruned."""

from deploy.ir.activity import CHANGES, SPIKES, Activity
from deploy.ir.connection import Connection, ConvConnection, MatrixConnection
from deploy.ir.delta_encoder import InputDeltaEncoder
from deploy.ir.geometry import Geometry
from deploy.ir.graph import INPUT, Graph
from deploy.ir.layer import Incoming, Layer
from deploy.ir.neurons import NEURONS, CubaLIF, Maximum, Neuron, SigmaDelta
from dpap.errors.renamed import old_names

__all__ = [
    "CHANGES",
    "INPUT",
    "NEURONS",
    "SPIKES",
    "Activity",
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
    "Neuron",
    "SigmaDelta",
]

__getattr__ = old_names(__name__, {"DeltaEncoder": "InputDeltaEncoder"})
