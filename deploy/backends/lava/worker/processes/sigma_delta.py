"""Lava's sigma-delta neurons, set back to rest at every sample, which keep their own messages."""

from typing import TYPE_CHECKING

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.process.variable import Var
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.sdn.models import PySigmaDeltaModelFixed
from lava.proc.sdn.process import ActivationMode, SigmaDelta

if TYPE_CHECKING:
    from populations import LayerFiles


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
    interval : int
        Steps of a sample; the states are set to rest before the dynamics of its first.
    lag : int
        Steps that the population lags behind the input.
    messages : int32 array of shape (steps, size), shared memory, or None
        Written: row t is what the input of step t (from 0) led to. Without it nothing is kept.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        threshold: int,
        bias: int | np.ndarray,
        shift: int,
        rectified: bool,
        interval: int,
        lag: int,
        messages: np.ndarray | None,
    ):
        super().__init__(
            shape=shape,
            vth=threshold,
            bias=bias,
            act_mode=ActivationMode.RELU if rectified else ActivationMode.UNIT,
            interval=interval,
            lag=lag,
            messages=messages,
        )
        # Given to Lava's process it would multiply threshold and bias, which need not be multiples of it.
        self.state_exp = Var(shape=(1,), init=shift)


@implements(proc=SigmaDeltaReset, protocol=LoihiProtocol)
class SigmaDeltaResetModel(PySigmaDeltaModelFixed):
    """Runs :class:`SigmaDeltaReset`: Lava's own dynamics, with its tags and resources."""

    # Or the decorator would refuse to give the model another process than its parent's.
    implements_process = None

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.interval, self.lag = proc_params["interval"], proc_params["lag"]
        self.messages = proc_params["messages"]

    def dynamics(self, a_in_data: np.ndarray) -> np.ndarray:
        """Changes before the shift; Lava calls this once a step, with ``time_step`` from 1."""
        index = self.time_step - 1 - self.lag
        if index % self.interval == 0:
            for state in (self.sigma, self.act, self.residue):
                state[:] = 0
        changes = super().dynamics(a_in_data)
        if self.messages is not None and 0 <= index < len(self.messages):
            self.messages[index] = np.right_shift(changes, self.state_exp)
        return changes


def population(files: "LayerFiles") -> SigmaDeltaReset:
    """The units of a layer."""
    return SigmaDeltaReset(
        shape=(files.layer["size"],),
        bias=files.bias,
        **files.parameters("threshold", "shift", "rectified"),
        interval=files.time_steps,
        lag=files.layer["lag"],
        messages=files.activity,
    )
