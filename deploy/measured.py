"""Measurements of a run on a board."""

import math
from dataclasses import dataclass

from deploy.errors import BackendError


@dataclass(frozen=True)
class Measured:
    """Power, time and activity, as the probes of a board gave them.

    The energy of an inference is that of its steps in a pipeline that is full, as in lava-dl's benchmark of
    PilotNet on Loihi 2: ``power * seconds_per_step * time_steps``. Power is that of the whole board, with the
    chips that are not in use; short runs give few readings of it.

    Attributes
    ----------
    steps : int
        Steps that were run.
    time_steps : int
        Steps of an inference.
    power : float
        Mean power in watts.
    static_power : float
        Part of it that flows without activity, in watts.
    seconds_per_step : float
    synops : int
        Synaptic operations of the run, over all cores.
    neuron_updates : int
        Likewise.
    memory_by_core : dict of str to int
        ``total_mpds`` of each core in use, in the unit of Intel's probe, which is not public.

    Raises
    ------
    BackendError
        A number is negative, infinite or not one, no power or time was read, or no core was in use.
    """

    steps: int
    time_steps: int
    power: float
    static_power: float
    seconds_per_step: float
    synops: int
    neuron_updates: int
    memory_by_core: dict[str, int]

    def __post_init__(self) -> None:
        for name in ("power", "static_power", "seconds_per_step", "synops", "neuron_updates"):
            value = getattr(self, name)
            # A network may be silent, but no board is without power.
            counted = name in ("synops", "neuron_updates")
            if not (math.isfinite(value) and (value > 0 or (counted and value == 0))):
                raise BackendError(
                    f"the board's probes read {name} = {value}, which cannot be, so nothing of this run"
                    " counts as measured; run more samples, and see that the board has power probes"
                )
        if not self.memory_by_core:
            raise BackendError(
                "the board's memory probe saw no core in use, so the network did not run on Loihi and nothing"
                " of this run counts as measured"
            )

    @property
    def seconds_per_inference(self) -> float:
        """Time between the inferences of a full pipeline."""
        return self.seconds_per_step * self.time_steps

    @property
    def energy(self) -> float:
        """Joules of an inference, static power included."""
        return self.power * self.seconds_per_inference

    @property
    def dynamic_energy(self) -> float:
        """Joules of an inference without static power."""
        return (self.power - self.static_power) * self.seconds_per_inference

    def to_dict(self) -> dict:
        """Plain numbers, with their units in the names, for JSON."""
        return {
            "steps": self.steps,
            "power_watts": self.power,
            "static_power_watts": self.static_power,
            "seconds_per_step": self.seconds_per_step,
            "seconds_per_inference": self.seconds_per_inference,
            "energy_joules": self.energy,
            "dynamic_energy_joules": self.dynamic_energy,
            "synops": self.synops,
            "neuron_updates": self.neuron_updates,
            "cores": len(self.memory_by_core),
            "memory_by_core": self.memory_by_core,
        }
