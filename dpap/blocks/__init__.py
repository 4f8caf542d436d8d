"""Blocks of a network: synapses with their neurons, and the pools, delays and sums between them."""

from dpap.blocks.addition import Addition
from dpap.blocks.block import SynapticBlock
from dpap.blocks.concatenation import Concatenation
from dpap.blocks.conv import Conv
from dpap.blocks.delay import Delay
from dpap.blocks.delta_encoder import DeltaEncoder
from dpap.blocks.dense import Dense
from dpap.blocks.dropout import Dropout
from dpap.blocks.dynamics import Integers
from dpap.blocks.flatten import Flatten
from dpap.blocks.norm import BatchNorm
from dpap.blocks.pool import MaxPool, SumPool
from dpap.blocks.recurrent import Recurrent
from dpap.blocks.relu import ReLUIntegers
from dpap.blocks.spiking_pool import SpikingPool
from dpap.errors.renamed import old_names

__all__ = [
    "Addition",
    "BatchNorm",
    "Concatenation",
    "Conv",
    "Delay",
    "DeltaEncoder",
    "Dense",
    "Dropout",
    "Flatten",
    "Integers",
    "MaxPool",
    "ReLUIntegers",
    "Recurrent",
    "SpikingPool",
    "SumPool",
    "SynapticBlock",
]

__getattr__ = old_names(__name__, {"RectifiedIntegers": "ReLUIntegers"})  # old name
