"""Measurement of runs: spikes, synaptic operations and neuron updates."""

from deploy.measurement.measurement import Measurement, measure

__all__ = ["Measurement", "measure"]
