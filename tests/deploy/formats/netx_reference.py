"""Runs netx files in Lava: ``python netx_reference.py FOLDER``, for each ``<name>.net`` and ``<name>.npy``
there.

The inputs are (steps, *input shape) of a whole run. Writes ``<name>.npz`` with the spikes of every block,
``(steps, *shape)``, as arrays ``1``, ``2``, ..., and ``seconds``, from the construction of the network to the
last spike read, without the import of Lava. A file on which netx fails gets ``<name>.error`` with the
traceback, and the others still run; the exit status is then 1. It is a process of its own, which ends hard,
since Lava may hang when its interpreter exits.
"""

import multiprocessing
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np


def without_slayer():
    """Skip netx's import of SLAYER, which takes most of the time and is for resonators alone."""
    for name in ("lava.lib.dl.slayer", "lava.lib.dl.slayer.neuron", "lava.lib.dl.slayer.neuron.rf"):
        sys.modules[name] = ModuleType(name)
    sys.modules["lava.lib.dl.slayer.neuron.rf"].neuron_params = None


def run(path, inputs):
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    started = time.perf_counter()
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
    network = hdf5.Network(
        str(path),
        input_message_bits=int(attributes["input_message_bits"]),
        reset_interval=int(attributes["reset_interval"]),
        reset_offset=int(attributes["reset_offset"]),
    )
    # Lava has (W, H, C) with time last.
    frames = inputs.reshape(len(inputs), -1).T
    if len(network.inp.shape) == 3:
        frames = inputs.transpose(3, 2, 1, 0)
    steps = len(inputs) + len(network.layers)
    source = Source(data=np.concatenate([frames, np.zeros_like(frames)], axis=-1)[..., :steps].astype(int))
    source.s_out.connect(network.inp)
    sinks = []
    for layer in network.layers:
        sinks.append(Sink(shape=layer.out.shape, buffer=steps))
        layer.out.connect(sinks[-1].a_in)
    source.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    spikes = {}
    for index, sink in enumerate(sinks, start=1):
        data = sink.data.get()
        # Back to (steps, C, H, W); block k lags k steps.
        spikes[str(index)] = data.transpose(range(data.ndim)[::-1])[index : index + len(inputs)]
    spikes["seconds"] = time.perf_counter() - started
    source.stop()
    network.net_config.f.close()
    return spikes


def main(folder):
    """Run all files; the exit status."""
    without_slayer()
    status = 0
    for path in sorted(folder.glob("*.net")):
        try:
            np.savez(path.with_suffix(".npz"), **run(path, np.load(path.with_suffix(".npy"))))
        except Exception:
            status = 1
            text = f"{path.name}: {traceback.format_exc()}"
            path.with_suffix(".error").write_text(text, encoding="utf-8")
            print(text, file=sys.stderr)
            # What Lava started for it may wait for messages for ever.
            for process in multiprocessing.active_children():
                process.kill()
        print(path.name, flush=True)
    return status


if __name__ == "__main__":
    status = 1
    try:
        status = main(Path(sys.argv[1]))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
