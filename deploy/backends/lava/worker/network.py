"""From a job's files to connected Lava processes.

Each layer is one ``Sparse`` connection a source and one population (:mod:`populations`), which keeps what it
sends; where spikes are delayed, or have to wait for those of a later source, ``AxonDelays`` come before the
connection. Kernels and pools come unrolled: a ``Sparse`` is Lava's fastest way to run any convolution on a
CPU, as its ``Conv`` loops over pairs of channels, pruned or not. With full kernels, from 1 channel of 128 x
128 to 1 up to 16 channels of 32 x 32 to 32, ``Sparse`` was 3 to 12 times as fast as ``Conv``; pruned, and
with a pool in the kernels, more. ``Dense`` gains some microseconds where messages cost hundreds.

The input of layers that send changes of activations goes through a ``DeltaEncoderProcess``. A
``MaximumProcess`` is connected to its source directly.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from populations import LayerFiles, population_of
from processes.axons import AxonDelays
from processes.delta_encoder import DeltaEncoderProcess
from processes.source import FrameSource
from scipy import sparse

WEIGHT_BITS = 8

MESSAGE_BITS = 16
"""Any number above zero makes ``Sparse`` multiply its matrix by the message, exact for spikes of 0 and 1 as
for graded ones. With zero it would cut the columns of active sources out of the matrix at every step, which
gives the same sums about four times as slowly."""


@dataclass(frozen=True)
class LavaNetwork:
    """Connected processes.

    Attributes
    ----------
    source : AbstractProcess
        The first; running it runs all.
    steps : int
        Steps to run.
    """

    source: AbstractProcess
    steps: int


def read_network(folder: Path) -> LavaNetwork:
    """Build the network of a job, ready to run.

    Layer k of a chain (from 1) lags k steps behind the input, which is the step at which its reset falls too:
    Lava counts steps from 1, so the first sample reaches it at step k + 1.
    """
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    frames = np.load(folder / "inputs.npy", mmap_mode="r", allow_pickle=False)
    step = np.load(folder / "step.npy", mmap_mode="r+", allow_pickle=False)
    source = FrameSource(frames=frames, step=step)
    sent = source.s_out
    if job["encoder"] is not None:
        encoder = DeltaEncoderProcess(frames.shape[1], **job["encoder"], interval=job["time_steps"])
        sent.connect(encoder.s_in)
        sent = encoder.s_out
    populations = []
    for index, layer in enumerate(job["layers"]):
        files = LayerFiles(folder, index, layer, job["time_steps"], len(frames))
        populations.append(population_of(files))
    for index, layer in enumerate(job["layers"]):
        for number, incoming in enumerate(layer["inputs"]):
            sender = sent if incoming["source"] is None else populations[incoming["source"]].s_out
            if incoming["axons"]:
                delay, margin = np.load(folder / f"axons{index}-{number}.npy", allow_pickle=False)
                axons = AxonDelays(delay, margin, incoming["lag"], job["time_steps"])
                sender.connect(axons.s_in)
                sender = axons.s_out
            if not layer["sums"]:
                sender.connect(populations[index].s_in)
                continue
            synapses = _synapses(folder / f"synapses{index}-{number}.npz")
            sender.connect(synapses.s_in)
            synapses.a_out.connect(populations[index].a_in)
    return LavaNetwork(source, job["steps"])


def _synapses(path: Path) -> Sparse:
    return Sparse(
        weights=sparse.load_npz(path),
        num_message_bits=MESSAGE_BITS,
        num_weight_bits=WEIGHT_BITS,
        weight_exp=0,
        # Stated, so that the meaning of the bits does not depend on which signs a layer happens to have.
        sign_mode=SignMode.MIXED,
    )
