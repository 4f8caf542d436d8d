"""Pruners: what decides which synapses and neurons of a network survive its learning."""

from dpap.pruning.budget import Budget, parse_budget
from dpap.pruning.budget_steering import BudgetSteering
from dpap.pruning.config import DPAPConfig, LayerConfig, SurvivalConfig
from dpap.pruning.development import Development
from dpap.pruning.development_file import DevelopmentRecord, read_development
from dpap.pruning.dpap import DPAP
from dpap.pruning.floor import FloorConfig
from dpap.pruning.layer import PrunedLayer
from dpap.pruning.masks import living_masks, load_masks, network_masks, save_masks, set_masks
from dpap.pruning.prunable import Prunable
from dpap.pruning.pruner import Pruner
from dpap.pruning.reading import Measure, Reading, UnitPrices
from dpap.pruning.schedule import ScheduleConfig
from dpap.pruning.sdsnn import SDSNN
from dpap.pruning.sdsnn_config import SDSNNConfig, StructureConfig
from dpap.pruning.target import TargetConfig

__all__ = [
    "DPAP",
    "SDSNN",
    "Budget",
    "BudgetSteering",
    "DPAPConfig",
    "Development",
    "DevelopmentRecord",
    "FloorConfig",
    "LayerConfig",
    "Measure",
    "Prunable",
    "PrunedLayer",
    "Pruner",
    "Reading",
    "SDSNNConfig",
    "ScheduleConfig",
    "StructureConfig",
    "SurvivalConfig",
    "TargetConfig",
    "UnitPrices",
    "living_masks",
    "load_masks",
    "network_masks",
    "parse_budget",
    "read_development",
    "save_masks",
    "set_masks",
]
