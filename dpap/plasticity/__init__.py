"""Criteria of importance: plasticity of synapses, dendritic spines of neurons, and baselines.

A measure is one file here and its line ``@criterion(name)``; :class:`dpap.DPAPConfig` takes it by its name.
"""

from dpap.plasticity.bcm import BCM, bcm
from dpap.plasticity.hebb import Hebb
from dpap.plasticity.importance import Importance, TracePlasticity, criteria, criterion, find_criterion
from dpap.plasticity.magnitude import Magnitude
from dpap.plasticity.random import Random
from dpap.plasticity.spines import spine_plasticity, unit, unit_spine_plasticity
from dpap.plasticity.stdp import STDP
from dpap.plasticity.threshold import SlidingThreshold, SlotThreshold

__all__ = [
    "BCM",
    "STDP",
    "Hebb",
    "Importance",
    "Magnitude",
    "Random",
    "SlidingThreshold",
    "SlotThreshold",
    "TracePlasticity",
    "bcm",
    "criteria",
    "criterion",
    "find_criterion",
    "spine_plasticity",
    "unit",
    "unit_spine_plasticity",
]
