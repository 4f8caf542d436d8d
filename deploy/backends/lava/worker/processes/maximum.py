"""A process that sends changes of maxima over windows."""

from typing import TYPE_CHECKING

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from scipy import sparse

if TYPE_CHECKING:
    from populations import LayerFiles


class MaximumProcess(AbstractProcess):
    """Adds up what each source sends, and sends changes of the largest sum of each window.

    It sends in the step in which it receives input, so that it lags no more than its source does.

    Parameters
    ----------
    sources : int
    indptr, indices : int32 arrays
        The sources of each window, in compressed sparse rows; a window without any sends nothing.
    interval : int
        Steps of a sample.
    lag : int
        Steps that the population, as its source, lags behind the input.
    messages : int32 array of shape (steps, windows), shared memory, or None
        Written: row t is what the input of step t (from 0) led to. Without it nothing is kept.
    """

    def __init__(
        self,
        sources: int,
        indptr: np.ndarray,
        indices: np.ndarray,
        interval: int,
        lag: int,
        messages: np.ndarray | None,
    ):
        super().__init__(
            sources=sources, indptr=indptr, indices=indices, interval=interval, lag=lag, messages=messages
        )
        self.s_in = InPort(shape=(sources,))
        self.s_out = OutPort(shape=(len(indptr) - 1,))


@implements(proc=MaximumProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class MaximumProcessModel(PyLoihiProcessModel):
    """Runs :class:`MaximumProcess`."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        indptr, self.indices = proc_params["indptr"], proc_params["indices"]
        self.interval, self.lag = proc_params["interval"], proc_params["lag"]
        self.messages = proc_params["messages"]
        self.windows = np.flatnonzero(np.diff(indptr))
        self.starts = indptr[self.windows]
        self.sums = np.zeros(proc_params["sources"], np.int32)
        self.largest = np.zeros(len(indptr) - 1, np.int32)

    def run_spk(self) -> None:
        """Pass on one step; Lava calls this once a step, with ``time_step`` from 1."""
        index = self.time_step - 1 - self.lag
        if index % self.interval == 0:
            self.sums[:] = 0
            self.largest[:] = 0
        self.sums += self.s_in.recv()
        largest = np.zeros_like(self.largest)
        if len(self.windows):
            largest[self.windows] = np.maximum.reduceat(self.sums[self.indices], self.starts)
        changes = largest - self.largest
        self.s_out.send(changes)
        if self.messages is not None and 0 <= index < len(self.messages):
            self.messages[index] = changes
        self.largest = largest


def population(files: "LayerFiles") -> MaximumProcess:
    """The units of a layer, with ``s_in``, which its source sends to directly."""
    windows = sparse.load_npz(files.folder / f"synapses{files.index}-0.npz")
    return MaximumProcess(
        windows.shape[1],
        windows.indptr,
        windows.indices,
        interval=files.time_steps,
        lag=files.layer["lag"],
        messages=files.activity,
    )
