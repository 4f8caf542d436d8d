"""A process that delays the spikes of a population."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class AxonDelays(AbstractProcess):
    """Passes each neuron's spikes on after its own number of steps, within one sample.

    A run has one sample after the other. Spikes that would arrive when the next has begun are left out:
    Lava's own delays would let them through.

    Parameters
    ----------
    delay : int64 array of shape (size,)
        Steps until a spike is passed on.
    margin : int64 array of shape (size,)
        A spike is left out in so many last steps of each sample.
    lag : int
        Steps that the population lags behind the input.
    interval : int
        Steps of a sample.
    """

    def __init__(self, delay: np.ndarray, margin: np.ndarray, lag: int, interval: int):
        super().__init__(delay=delay, margin=margin, lag=lag, interval=interval)
        self.s_in = InPort(shape=delay.shape)
        self.s_out = OutPort(shape=delay.shape)


@implements(proc=AxonDelays, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class AxonDelaysModel(PyLoihiProcessModel):
    """Runs :class:`AxonDelays`."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.delay, self.margin = proc_params["delay"], proc_params["margin"]
        self.lag, self.interval = proc_params["lag"], proc_params["interval"]
        self.neurons = np.arange(len(self.delay))
        self.sent = np.zeros((int(self.delay.max()) + 1, len(self.delay)), np.int32)

    def run_spk(self) -> None:
        """Pass on one step; Lava calls this once a step, with ``time_step`` from 1."""
        step = (self.time_step - 1 - self.lag) % self.interval
        row = self.time_step % len(self.sent)
        self.sent[row] = self.s_in.recv() * (step + self.margin < self.interval)
        self.s_out.send(self.sent[(row - self.delay) % len(self.sent), self.neurons])
