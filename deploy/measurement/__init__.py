"""What a recording or a board says of a run: spikes, synaptic operations, time and power."""

from deploy.measurement.measurement import Measurement, measure

__all__ = ["Measurement", "measure"]
