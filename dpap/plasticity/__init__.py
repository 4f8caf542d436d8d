"""Local plasticity as a measure of importance: BCM for synapses, dendritic spines for neurons."""

from dpap.plasticity.bcm import SlidingThreshold, bcm
from dpap.plasticity.spines import spine_plasticity

__all__ = ["SlidingThreshold", "bcm", "spine_plasticity"]
