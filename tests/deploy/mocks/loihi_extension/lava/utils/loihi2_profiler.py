"""Mock of the extension's profiler: fixed numbers, from the environment where a test gives others."""

import json
import os

import numpy as np
from lava.magma.core import run_configs

NUMBERS = {
    # Two readings in watts, a static part, microseconds a step, and counts of two cores.
    "total_power": [1.0, 3.0],
    "static_total_power": 0.5,
    "avg_time_per_step": 250.0,
    "core_idx": [4, 7],
    "total_mpds": [100, 20],
    "syn_ops": [[1000], [24]],
    "dendrite_updates": [[10], [5]],
} | json.loads(os.environ.get("MOCK_NUMBERS", "{}"))


class Probe:
    def __getattr__(self, name):
        if name not in NUMBERS:
            raise AttributeError(name)
        return np.array(NUMBERS[name])


class Loihi2Power(Probe):
    def __init__(self, num_steps):
        assert num_steps > 0


class Loihi2ExecutionTime(Probe):
    pass


class Loihi2Memory(Probe):
    pass


class Loihi2Activity(Probe):
    pass


class Loihi2HwCfg(run_configs.Loihi2SimCfg):
    """In place of Lava's, which needs the extension's models for neuro cores: those for the CPU."""

    def __init__(self, callback_fxs):
        super().__init__(select_tag="fixed_pt")
        assert [type(probe) for probe in callback_fxs] == [
            Loihi2Power,
            Loihi2ExecutionTime,
            Loihi2Memory,
            Loihi2Activity,
        ]


run_configs.Loihi2HwCfg = Loihi2HwCfg
