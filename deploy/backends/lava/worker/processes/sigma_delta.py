"""Lava's sigma-delta neurons, set back to rest at every sample."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.sdn.models import AbstractSigmaDeltaModel
from lava.proc.sdn.process import ActivationMode, SigmaDelta


class SigmaDeltaReset(SigmaDelta):
    """Lava's ``SigmaDelta`` with a reset, as ``LIFReset`` is ``LIF`` with one.

    Parameters
    ----------
    shape : tuple of int
    threshold : int
        In the units of sums; Lava's own process would shift it.
    bias : int or int32 array
        Likewise.
    shift : int
        Lava's ``state_exp``: binary digits of a change that its message leaves out.
    rectified : bool
    reset_interval, reset_offset : int
        The states are set to rest before the dynamics of the steps ``offset + n * interval``, counted from 1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        threshold: int,
        bias: int | np.ndarray,
        shift: int,
        rectified: bool,
        reset_interval: int,
        reset_offset: int,
    ):
        super().__init__(
            shape=shape,
            vth=threshold,
            bias=bias,
            act_mode=ActivationMode.RELU if rectified else ActivationMode.UNIT,
            reset_interval=reset_interval,
            reset_offset=reset_offset,
        )
        # Given to Lava's process it would multiply threshold and bias, which need not be multiples of it.
        self.state_exp = Var(shape=(1,), init=shift)


@implements(proc=SigmaDeltaReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SigmaDeltaResetModel(AbstractSigmaDeltaModel):
    """Runs :class:`SigmaDeltaReset`: Lava's own dynamics, with the types of its fixed-point model.

    That model itself implements another process, which no subclass can change.
    """

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    vth: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    sigma: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    act: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    residue: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    error: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    bias: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=16)

    spike_exp: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=3)
    state_exp: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=3)
    cum_error: np.ndarray = LavaPyType(np.ndarray, bool, precision=1)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.reset_interval = proc_params["reset_interval"]
        self.reset_offset = proc_params["reset_offset"]

    def run_spk(self) -> None:
        """Run one step; Lava calls this once a step, with ``time_step`` from 1."""
        if (self.time_step - self.reset_offset) % self.reset_interval == 0:
            for state in (self.sigma, self.act, self.residue):
                state[:] = 0
        changes = self.dynamics(self.a_in.recv())
        self.s_out.send(np.right_shift(changes, self.state_exp))
