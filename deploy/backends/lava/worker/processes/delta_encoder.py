"""A process that sends changes of the input."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class DeltaEncoderProcess(AbstractProcess):
    """Sends changes of at least a threshold, in the step in which they come.

    Lava's ``Delta`` with any whole gain, and with a reset at every sample.

    Parameters
    ----------
    size : int
    gain : int
        Messages for an input of 1.
    threshold : int
        In messages.
    interval : int
        Steps of a sample; the input does not lag.
    """

    def __init__(self, size: int, gain: int, threshold: int, interval: int):
        super().__init__(size=size, gain=gain, threshold=threshold, interval=interval)
        self.s_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=DeltaEncoderProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class DeltaEncoderModel(PyLoihiProcessModel):
    """Runs :class:`DeltaEncoderProcess`."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.gain, self.threshold = proc_params["gain"], proc_params["threshold"]
        self.interval = proc_params["interval"]
        self.sent = np.zeros(proc_params["size"], np.int32)

    def run_spk(self) -> None:
        """Encode one step; Lava calls this once a step, with ``time_step`` from 1."""
        if (self.time_step - 1) % self.interval == 0:
            self.sent[:] = 0
        change = self.s_in.recv() * self.gain - self.sent
        change = np.where(np.abs(change) >= self.threshold, change, 0)
        self.sent += change
        self.s_out.send(change)
