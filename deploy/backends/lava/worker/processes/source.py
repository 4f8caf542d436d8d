"""A process that sends input frames."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class FrameSource(AbstractProcess):
    """Sends one frame a step, and zeros after the last.

    Parameters
    ----------
    frames : unsigned integer array of shape (steps, size)
    step : int64 array of shape (1,), shared memory
        The step that runs is written into it.
    """

    def __init__(self, frames: np.ndarray, step: np.ndarray):
        super().__init__(frames=frames, step=step)
        self.s_out = OutPort(shape=frames.shape[1:])


@implements(proc=FrameSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FrameSourceModel(PyLoihiProcessModel):
    """Runs :class:`FrameSource`."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.frames, self.step = proc_params["frames"], proc_params["step"]

    def run_spk(self) -> None:
        """Send a frame; Lava calls this once a step, with ``time_step`` from 1."""
        self.step[0] = self.time_step
        index = self.time_step - 1
        frame = self.frames[index] if index < len(self.frames) else np.zeros(self.frames.shape[1:])
        self.s_out.send(frame.astype(np.int32))
