"""Lava's neurons with an adaptive threshold, reset at every sample, which keep their own spikes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.atrlif.models import PyATRLIFModelFixed
from lava.proc.atrlif.process import ATRLIF

from processes.overflow import note_overflow

if TYPE_CHECKING:
    from populations import LayerFiles

DECAY_UNITY = 1 << 12

BIAS_EXPONENT = 6
"""Biases are in the units of synaptic sums, which Loihi shifts left by 6 bits."""


class AtrlifReset(ATRLIF):
    """``ATRLIF`` with a reset, as ``LIFReset`` is ``LIF`` with one.

    Parameters
    ----------
    spikes : uint8 array of shape (steps, size), shared memory, or None
        Written: row t is what the input of step t (from 0) led to. Without it nothing is kept.
    overflow : int64 array of shape (3,), shared memory
        Written once: the step of the input, the neuron, and the first current that leaves its 24 bits.
    steps : int
        Steps of the input; what comes before or after them does not count.
    interval : int
        Steps of a sample; the states are set to rest before the dynamics of its first.
    lag : int
        Steps that the population lags behind the input.
    **neurons
        Of ``ATRLIF``.
    """

    def __init__(
        self,
        *,
        spikes: np.ndarray | None,
        overflow: np.ndarray,
        steps: int,
        interval: int,
        lag: int,
        **neurons: Any,
    ):
        super().__init__(**neurons)
        self.proc_params["spikes"] = spikes
        self.proc_params["overflow"] = overflow
        self.proc_params["steps"] = steps
        self.proc_params["interval"] = interval
        self.proc_params["lag"] = lag


@implements(proc=AtrlifReset, protocol=LoihiProtocol)
class AtrlifResetModel(PyATRLIFModelFixed):
    """Runs :class:`AtrlifReset`: Lava's own dynamics, with its tags and resources."""

    # Or the decorator would refuse to give the model another process than its parent's.
    implements_process = None

    def __init__(self, proc_params: Any):
        super().__init__(proc_params)
        self.spikes, self.overflow = proc_params["spikes"], proc_params["overflow"]
        self.steps, self.interval, self.lag = (proc_params[name] for name in ("steps", "interval", "lag"))

    @property
    def _index(self) -> int:
        """The step of the input, from 0; Lava counts steps from 1."""
        return self.time_step - 1 - self.lag

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        """Set states to rest, notice a current that is about to be wrapped; Lava calls this once a step."""
        if self._index % self.interval == 0:
            for state in (self.i, self.v, self.r):
                state[:] = 0
            # Lava has scaled it by now.
            self.theta[:] = self.theta_0
        if self.overflow[0] < 0 and 0 <= self._index < self.steps:
            keep = round((1 - float(self.delta_i)) * DECAY_UNITY) - self.ds_offset
            note_overflow(self.overflow, self._index, self.i, keep, activation_in)
        super().subthr_dynamics(activation_in)

    def post_spike(self, spike_vector: np.ndarray) -> None:
        """Keep the spikes of a step; Lava calls this once a step."""
        super().post_spike(spike_vector)
        if self.spikes is not None and 0 <= self._index < self.steps:
            self.spikes[self._index] = spike_vector


def population(files: "LayerFiles") -> AtrlifReset:
    """The neurons of a layer."""
    layer = files.layer
    return AtrlifReset(
        spikes=files.activity,
        overflow=files.overflow,
        steps=files.steps,
        interval=files.time_steps,
        lag=layer["lag"],
        shape=(layer["size"],),
        # Fractions, which Lava multiplies by 4096; to that of the current it adds 1.
        delta_i=(layer["current_decay"] - 1) / DECAY_UNITY,
        delta_v=layer["voltage_decay"] / DECAY_UNITY,
        delta_theta=layer["threshold_decay"] / DECAY_UNITY,
        delta_r=layer["refractory_decay"] / DECAY_UNITY,
        theta_0=layer["threshold"],
        theta_step=layer["threshold_step"],
        bias_mant=files.bias,
        bias_exp=BIAS_EXPONENT,
    )
