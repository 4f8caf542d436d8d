"""Pruners, which decide during training which synapses and neurons of a network are kept."""

from dpap.errors.renamed import old_names
from dpap.pruning.budget import Budget, parse_budget
from dpap.pruning.budget_controller import BudgetController
from dpap.pruning.config import DPAPConfig, LayerConfig, SurvivalConfig
from dpap.pruning.cost_reading import CostFunction, CostReading, UnitPrices
from dpap.pruning.dpap import DPAP
from dpap.pruning.floor import FloorConfig
from dpap.pruning.layer import PrunedLayer
from dpap.pruning.masks import alive_masks, load_masks, network_masks, save_masks, set_masks
from dpap.pruning.prunable import Prunable
from dpap.pruning.pruner import Pruner
from dpap.pruning.pruning_history import PruningHistory
from dpap.pruning.pruning_history_file import RecordedPruningHistory, read_pruning_history
from dpap.pruning.schedule import ScheduleConfig
from dpap.pruning.sdsnn import SDSNN
from dpap.pruning.sdsnn_config import SDSNNConfig, StructureConfig
from dpap.pruning.target import TargetConfig

__all__ = [
    "DPAP",
    "SDSNN",
    "Budget",
    "BudgetController",
    "CostFunction",
    "CostReading",
    "DPAPConfig",
    "FloorConfig",
    "LayerConfig",
    "Prunable",
    "PrunedLayer",
    "Pruner",
    "PruningHistory",
    "RecordedPruningHistory",
    "SDSNNConfig",
    "ScheduleConfig",
    "StructureConfig",
    "SurvivalConfig",
    "TargetConfig",
    "UnitPrices",
    "alive_masks",
    "load_masks",
    "network_masks",
    "parse_budget",
    "read_pruning_history",
    "save_masks",
    "set_masks",
]

__getattr__ = old_names(
    __name__,
    {
        "BudgetSteering": "BudgetController",  # old name
        "Development": "PruningHistory",
        "DevelopmentRecord": "RecordedPruningHistory",  # old name
        "Measure": "CostFunction",
        "Reading": "CostReading",
        "living_masks": "alive_masks",  # old name
        "read_development": "read_pruning_history",  # old name
    },
)
