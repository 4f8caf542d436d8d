"""Pricing a measured network on named hardware: cores, traffic, energy and time."""

from deploy.hardware.config import Hardware, list_hardware, load_hardware
from deploy.hardware.estimate import estimate
from deploy.hardware.mapping import LayerMapping, Mapping, map_graph
from deploy.hardware.quantity import Quantity
from deploy.hardware.result import CostSetEstimate, Estimate, Part
from deploy.hardware.traffic import Traffic, count_traffic

__all__ = [
    "CostSetEstimate",
    "Estimate",
    "Hardware",
    "LayerMapping",
    "Mapping",
    "Part",
    "Quantity",
    "Traffic",
    "count_traffic",
    "estimate",
    "list_hardware",
    "load_hardware",
    "map_graph",
]
