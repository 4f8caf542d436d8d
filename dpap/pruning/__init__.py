"""Pruners: what decides which synapses and neurons of a network survive its learning."""

from dpap.pruning.config import DPAPConfig, SurvivalConfig
from dpap.pruning.dpap import DPAP

__all__ = ["DPAP", "DPAPConfig", "SurvivalConfig"]
