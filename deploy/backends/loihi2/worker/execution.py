"""Running a netx network on a board: input and spikes through adapters, numbers from probes."""

from pathlib import Path

import numpy as np
from lava.lib.dl.netx import hdf5
from lava.magma.core import run_configs
from lava.magma.core.run_conditions import RunSteps
from lava.proc import embedded_io
from lava.utils import loihi2_profiler
from processes.recorder import Recorder
from processes.source import FrameSource

MICROSECOND = 1e-6
"""Unit of ``Loihi2ExecutionTime.avg_time_per_step`` (lava-dl, PilotNet benchmark notebook)."""

RESET_OFFSET = 1
"""netx resets one step early at 0."""


def execute(folder: Path, job: dict) -> dict:
    """Run the job; spikes are in the files when it returns, which gives the probes' numbers.

    Adapters are taken to pass spikes on in the step in which they get them, as in lava-dl's own tests, where
    a network's output on Loihi 2 through ``NxToPyAdapter`` has the steps of that on the CPU.
    """
    network = hdf5.Network(
        str(folder / "model.net"),
        input_message_bits=job["input_message_bits"],
        reset_interval=job["time_steps"],
        reset_offset=RESET_OFFSET,
    )
    _connect_input(network, folder, job["input_message_bits"])
    _connect_recorders(network, folder, job["layers"])
    steps = job["steps"]
    power = loihi2_profiler.Loihi2Power(num_steps=steps)
    time = loihi2_profiler.Loihi2ExecutionTime()
    memory, activity = loihi2_profiler.Loihi2Memory(), loihi2_profiler.Loihi2Activity()
    # Without a tag, so that models for neuro cores are preferred.
    config = run_configs.Loihi2HwCfg(callback_fxs=[power, time, memory, activity])
    network.run(condition=RunSteps(num_steps=steps), run_cfg=config)
    network.stop()
    cores = np.atleast_1d(memory.core_idx).tolist()
    return {
        "steps": steps,
        "power": float(np.mean(power.total_power)),
        "static_power": float(np.mean(power.static_total_power)),
        "seconds_per_step": float(time.avg_time_per_step) * MICROSECOND,
        "synops": int(np.sum(activity.syn_ops)),
        "neuron_updates": int(np.sum(activity.dendrite_updates)),
        "memory_by_core": {
            str(core): int(used)
            for core, used in zip(cores, np.atleast_1d(memory.total_mpds).tolist(), strict=True)
        },
    }


def _connect_input(network: hdf5.Network, folder: Path, message_bits: int) -> None:
    frames = np.load(folder / "inputs.npy", mmap_mode="r", allow_pickle=False)
    step = np.load(folder / "step.npy", mmap_mode="r+", allow_pickle=False)
    source = FrameSource(frames=frames, step=step)
    spike = embedded_io.spike
    # Convolutions receive images, by a message format of their own.
    kind = spike.PyToN3ConvAdapter if len(network.inp.shape) == 3 else spike.PyToNxAdapter
    adapter = kind(shape=network.inp.shape, num_message_bits=message_bits)
    source.s_out.connect(adapter.inp)
    adapter.out.connect(network.inp)


def _connect_recorders(network: hdf5.Network, folder: Path, layers: list[dict]) -> None:
    for index, (layer, block) in enumerate(zip(layers, network.layers, strict=True)):
        if layer["recorded"]:
            spikes = np.load(folder / f"spikes{index}.npy", mmap_mode="r+", allow_pickle=False)
            adapter = embedded_io.spike.NxToPyAdapter(shape=block.out.shape)
            recorder = Recorder(spikes=spikes, lag=layer["lag"])
            block.out.connect(adapter.inp)
            adapter.out.connect(recorder.s_in)
