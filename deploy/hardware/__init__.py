"""Pricing a measured network on named hardware: cores, traffic, energy and time."""

from deploy.hardware.comparison import Comparison, Saving, compare
from deploy.hardware.config import Hardware, list_hardware, load_hardware
from deploy.hardware.estimate import estimate
from deploy.hardware.layer_mapping import LayerMapping
from deploy.hardware.loihi2 import CoreRange
from deploy.hardware.mapping import Mapping, map_graph
from deploy.hardware.quantity import Quantity
from deploy.hardware.result import CostSetEstimate, Estimate, Part
from deploy.hardware.rules import check_graph
from deploy.hardware.traffic import Traffic, count_traffic
from deploy.hardware.violation import PlacementError, Violation

__all__ = [
    "Comparison",
    "CoreRange",
    "CostSetEstimate",
    "Estimate",
    "Hardware",
    "LayerMapping",
    "Mapping",
    "Part",
    "PlacementError",
    "Quantity",
    "Saving",
    "Traffic",
    "Violation",
    "check_graph",
    "compare",
    "count_traffic",
    "estimate",
    "list_hardware",
    "load_hardware",
    "map_graph",
]
