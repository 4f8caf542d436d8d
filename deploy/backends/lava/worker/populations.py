"""The Lava processes of layers that send changes of activations."""

from pathlib import Path

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from processes.maximum import MaximumProcess
from processes.sigma_delta import SigmaDeltaReset
from scipy import sparse


def sigma_delta(folder: Path, index: int, layer: dict, time_steps: int) -> AbstractProcess:
    """Units with ``a_in`` and ``s_out``; see :class:`SigmaDeltaReset`.

    Parameters
    ----------
    folder : Path
        The job's.
    index : int
        Number of the layer.
    layer : dict
        Its part of ``job.json``.
    time_steps : int
        Steps of a sample.
    """
    messages = shared_activity(folder, index)
    bias = np.load(folder / f"bias{index}.npy", allow_pickle=False)
    constants = {name: layer[name] for name in ("threshold", "shift", "rectified")}
    return SigmaDeltaReset(
        shape=messages.shape[1:],
        bias=bias if len(bias) else 0,
        **constants,
        interval=time_steps,
        lag=layer["lag"],
        messages=messages,
    )


def maximum(folder: Path, index: int, layer: dict, time_steps: int) -> AbstractProcess:
    """Units with ``s_in``, which their source sends to directly, and ``s_out``: a ``MaximumProcess``."""
    windows = sparse.load_npz(folder / f"synapses{index}-0.npz")
    return MaximumProcess(
        windows.shape[1],
        windows.indptr,
        windows.indices,
        interval=time_steps,
        lag=layer["lag"],
        messages=shared_activity(folder, index),
    )


def shared_activity(folder: Path, index: int) -> np.ndarray:
    """The file that a layer's spikes or messages are written into, ``(steps, size)``."""
    activity = np.load(folder / f"spikes{index}.npy", mmap_mode="r+", allow_pickle=False)
    return activity.reshape(activity.shape[0] * activity.shape[1], -1)


MESSAGE_POPULATIONS = {"sigma-delta": sigma_delta, "maximum": maximum}
"""By the kind of neuron."""
