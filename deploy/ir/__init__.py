"""The intermediate representation: an integer network that holds only what survived."""

from deploy.ir.activity import CHANGES, SPIKES, Activity
from deploy.ir.connection import Connection, ConvConnection, MatrixConnection
from deploy.ir.delta_encoder import DeltaEncoder
from deploy.ir.geometry import Geometry
from deploy.ir.graph import INPUT, Graph
from deploy.ir.layer import Incoming, Layer
from deploy.ir.neurons import NEURONS, CubaLIF, Maximum, Neuron, SigmaDelta

__all__ = [
    "CHANGES",
    "INPUT",
    "NEURONS",
    "SPIKES",
    "Activity",
    "Connection",
    "ConvConnection",
    "CubaLIF",
    "DeltaEncoder",
    "Geometry",
    "Graph",
    "Incoming",
    "Layer",
    "MatrixConnection",
    "Maximum",
    "Neuron",
    "SigmaDelta",
]
