"""The Lava processes of layers: one module of :mod:`processes` for each kind of neuron."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess


@dataclass(frozen=True)
class LayerFiles:
    """The files and parameters of a layer in a job.

    Attributes
    ----------
    folder : Path
        The job's.
    index : int
        Number of the layer.
    layer : dict
        Its part of ``job.json``.
    time_steps : int
        Steps of a sample.
    steps : int
        Steps of all samples.
    """

    folder: Path
    index: int
    layer: dict[str, Any]
    time_steps: int
    steps: int

    @property
    def activity(self) -> np.ndarray | None:
        """The file for what the layer sends, ``(steps, size)``; None where it is not kept."""
        if not self.layer["recorded"]:
            return None
        activity = self._mapped("spikes")
        return activity.reshape(activity.shape[0] * activity.shape[1], -1)

    @property
    def overflow(self) -> np.ndarray:
        """The file that the first current out of range is written into."""
        return self._mapped("overflow")

    @property
    def bias(self) -> np.ndarray | int:
        """Biases of the neurons; 0 without."""
        bias = np.load(self.folder / f"bias{self.index}.npy", allow_pickle=False)
        return bias if len(bias) else 0

    def parameters(self, *names: str) -> dict[str, Any]:
        """Parameters of the neurons by name."""
        return {name: self.layer[name] for name in names}

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}{self.index}.npy", mmap_mode="r+", allow_pickle=False)


def population_of(files: LayerFiles) -> AbstractProcess:
    """The process of a layer's neurons, with ``s_out``, and ``a_in`` for sums or ``s_in`` for messages.

    The function ``population`` of the module that is named after the kind of neuron makes it.
    """
    module = import_module(f"processes.{files.layer['kind'].replace('-', '_')}")
    return module.population(files)
