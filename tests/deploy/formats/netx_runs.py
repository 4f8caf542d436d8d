"""What the tests of netx files share: one process of Lava runs all files of a folder."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import deploy
from deploy.formats.netx import netx_blocks

REFERENCE = Path(__file__).with_name("netx_reference.py")


def add(folder, name, graph, inputs):
    """Write a graph and the inputs of a run, ``(samples, steps, *input shape)``, into a folder."""
    deploy.export(graph, folder / f"{name}.net")
    np.save(folder / f"{name}.npy", inputs.reshape(-1, *inputs.shape[2:]))


def reference(folder, timeout=300):
    """Run all files of a folder; the exit status and what was printed as errors."""
    done = subprocess.run(
        [sys.executable, str(REFERENCE), str(folder)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stderr


def spikes_of(folder, name, graph, samples):
    """netx's spikes by layer, ``(samples, steps, *kept shape)``."""
    blocks = [block.layer for block in netx_blocks(graph) if block.layer is not None]
    with np.load(folder / f"{name}.npz") as found:
        return {
            layer.name: found[str(index)].reshape(samples, graph.time_steps, *layer.kept_shape)
            for index, layer in enumerate(blocks, start=1)
        }


def different_layers(theirs, recording):
    """Names of the layers whose spikes differ."""
    return [name for name, spikes in theirs.items() if not np.array_equal(spikes, recording.kept[name])]
