"""Networks of stock lava-dl SLAYER blocks: conversion to and from them, and pruning of them.

Lava is imported when :func:`to_slayer` makes its blocks, and not before.
"""

from dpap.slayer import sigma_delta
from dpap.slayer.convert import from_slayer
from dpap.slayer.export import to_slayer
from dpap.slayer.graph import Graph
from dpap.slayer.layers import StockLayer, stock_layers
from dpap.slayer.masking import MaskedQuantizer
from dpap.slayer.pool import MaxPool, SumPool
from dpap.slayer.recurrence import start_at_rest

__all__ = [
    "Graph",
    "MaskedQuantizer",
    "MaxPool",
    "StockLayer",
    "SumPool",
    "from_slayer",
    "sigma_delta",
    "start_at_rest",
    "stock_layers",
    "to_slayer",
]
