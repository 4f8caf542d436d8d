"""The intermediate representation: an integer network that holds only what survived."""

from deploy.graph.connection import Connection, ConvConnection, MatrixConnection
from deploy.graph.graph import INPUT, Graph
from deploy.graph.layer import ConvolutionShape, Layer, Neuron

__all__ = [
    "INPUT",
    "Connection",
    "ConvConnection",
    "ConvolutionShape",
    "Graph",
    "Layer",
    "MatrixConnection",
    "Neuron",
]
