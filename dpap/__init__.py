"""Spiking networks that learn and prune themselves at once, in the integers that hardware runs.

The package trains; :mod:`deploy` compiles, runs and measures what it trained.
"""

from dpap import data, networks
from dpap.errors import DataError, InputError, NetworkError, TrainingError
from dpap.neurons import LIF
from dpap.pruning import DPAP, DPAPConfig, SurvivalConfig

__version__ = "0.1.0"

__all__ = [
    "DPAP",
    "LIF",
    "DPAPConfig",
    "DataError",
    "InputError",
    "NetworkError",
    "SurvivalConfig",
    "TrainingError",
    "data",
    "networks",
]
