"""A process that keeps the spikes of a population."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Recorder(AbstractProcess):
    """Writes spikes into memory that it shares with the process that reads them.

    Lava's own ways to read a population out send a message for each neuron and step, which takes longer than
    the network itself.

    Parameters
    ----------
    spikes : uint8 array of shape (steps, size), shared memory
        Row t is what the input of step t (from 0) led to.
    lag : int
        Steps that the population lags behind the input.
    """

    def __init__(self, spikes: np.ndarray, lag: int):
        super().__init__(spikes=spikes, lag=lag)
        self.s_in = InPort(shape=spikes.shape[1:])


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class RecorderModel(PyLoihiProcessModel):
    """Runs :class:`Recorder`."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.spikes, self.lag = proc_params["spikes"], proc_params["lag"]

    def run_spk(self) -> None:
        """Keep one step; Lava calls this once a step, with ``time_step`` from 1."""
        arrived = self.s_in.recv()
        index = self.time_step - 1 - self.lag
        if 0 <= index < len(self.spikes):
            self.spikes[index] = arrived
