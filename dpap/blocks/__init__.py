"""Blocks of a network: synapses with their neurons, and what lies between them."""

from dpap.blocks.block import Flatten, SumPool, SynapticBlock
from dpap.blocks.conv import Conv
from dpap.blocks.dense import Dense

__all__ = ["Conv", "Dense", "Flatten", "SumPool", "SynapticBlock"]
