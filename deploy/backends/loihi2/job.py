"""The files that the two sides of a run on Loihi 2 exchange.

``model.net``
    The graph, as netx reads it.
``job.json``
    ``time_steps``, ``steps``, ``input_message_bits``, the ``board`` (``host``, ``partition``, ``generation``)
    and a list of ``layers``, each with its ``lag`` (steps behind the input) and whether it is ``recorded``.
``inputs.npy``
    (samples x time_steps, *shape), where images have Lava's order, (width, height, channels).
``spikes<i>.npy``
    (samples x time_steps, *shape) uint8 in the same order, of layers that are recorded; written by Lava.
``step.npy``
    The step that runs, from 1; written by Lava at every step.
``measured.json``, ``done``
    The numbers of the probes; made after the last spike is written.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.errors import BackendError
from deploy.formats.netx import Block, netx_blocks, save
from deploy.ir import Graph
from deploy.measured import Measured


@dataclass(frozen=True)
class Board:
    """The board to run on.

    Attributes
    ----------
    host : str or None
        ``slurm``, or the address of a board's host; None where the environment already says it.
    partition : str or None
        Of slurm.
    generation : str
        Name of the chip's generation in ``lava.utils.loihi.ChipGeneration``.
    """

    host: str | None
    partition: str | None
    generation: str


@dataclass(frozen=True)
class Job:
    """One run on a board, as files in a folder."""

    folder: Path
    blocks: tuple[Block, ...]
    recorded: frozenset[str]
    samples: int
    time_steps: int

    @classmethod
    def write(cls, folder: Path, graph: Graph, inputs: np.ndarray, recorded: set[str], board: Board) -> "Job":
        """Write all that a worker needs.

        Raises
        ------
        ExportError
            netx cannot say a layer.
        OSError
            The folder has no room.
        """
        save(graph, folder / "model.net")
        blocks = tuple(block for block in netx_blocks(graph) if block.layer is not None)
        job = cls(folder, blocks, frozenset(recorded), *inputs.shape[:2])
        convolution = blocks[0].kind == "conv"
        steps = inputs.reshape(job.samples * job.time_steps, *(graph.input_shape if convolution else (-1,)))
        np.save(folder / "inputs.npy", _reversed(steps))
        np.save(folder / "step.npy", np.zeros(1, np.int64))
        for index, block in enumerate(blocks):
            if block.layer.name in recorded:
                np.save(folder / f"spikes{index}.npy", np.zeros((len(steps), *block.shape[::-1]), np.uint8))
        description = {
            "time_steps": job.time_steps,
            "steps": len(steps) + len(blocks),
            "input_message_bits": graph.input_max.bit_length() if graph.input_max > 1 else 0,
            "board": vars(board),
            "layers": [
                {"lag": index, "recorded": block.layer.name in recorded}
                for index, block in enumerate(blocks, start=1)
            ],
        }
        (folder / "job.json").write_text(json.dumps(description), encoding="utf-8")
        return job

    @property
    def samples_done(self) -> int:
        """Samples that have passed through all layers."""
        step = int(np.load(self.folder / "step.npy", allow_pickle=False)[0])
        return max(0, step - 1 - len(self.blocks)) // self.time_steps

    @property
    def finished(self) -> bool:
        """Whether all spikes and numbers have been written."""
        return (self.folder / "done").exists()

    def read_spikes(self) -> dict[str, np.ndarray]:
        """Spikes of the surviving neurons by recorded layer, ``(N, T, *kept_shape)`` uint8."""
        spikes = {}
        for index, block in enumerate(self.blocks):
            if block.layer.name in self.recorded:
                sent = _reversed(np.load(self.folder / f"spikes{index}.npy", allow_pickle=False))
                spikes[block.layer.name] = sent.reshape(
                    self.samples, self.time_steps, *block.layer.kept_shape
                )
        return spikes

    def read_measured(self) -> Measured:
        """The measurements of the board.

        Raises
        ------
        BackendError
            The numbers cannot be those of a run on a board.
        """
        content = json.loads((self.folder / "measured.json").read_text(encoding="utf-8"))
        try:
            return Measured(**content, time_steps=self.time_steps)
        except TypeError as error:
            raise BackendError(f"the board's probes gave no numbers: {error}") from error


def _reversed(steps: np.ndarray) -> np.ndarray:
    """Rows with their axes in the opposite order: Lava's images are (width, height, channels)."""
    return np.ascontiguousarray(steps.transpose(0, *range(steps.ndim - 1, 0, -1)))
