"""Lava's LIF neurons, which record their own spikes."""

from typing import TYPE_CHECKING

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset

from processes.overflow import note_overflow

if TYPE_CHECKING:
    from populations import LayerFiles

BIAS_EXPONENT = 6
"""Biases are in the units of synaptic sums, which Loihi shifts left by 6 bits."""


class RecordingLIF(LIFReset):
    """``LIFReset`` that writes its spikes into shared memory, and the first current that Lava wraps.

    Lava's own ways to read a population out send a message for each neuron and step, which takes longer than
    the network itself; and a process beside the population that only records would cost a fifth of a step.

    Parameters
    ----------
    spikes : uint8 array of shape (steps, size), shared memory, or None
        Row t is what the input of step t (from 0) led to. Without it nothing is kept.
    overflow : int64 array of shape (3,), shared memory
        Written once: the step of the input (from 0), the neuron, and its current before it was wrapped, for
        the first current that leaves its 24 bits.
    steps : int
        Steps of the input; what comes before or after them does not count.
    lag : int
        Steps that the population lags behind the input.
    **neurons
        Of ``LIFReset``.
    """

    def __init__(self, *, spikes: np.ndarray | None, overflow: np.ndarray, steps: int, lag: int, **neurons):
        super().__init__(**neurons)
        self.proc_params["spikes"] = spikes
        self.proc_params["overflow"] = overflow
        self.proc_params["steps"] = steps
        self.proc_params["lag"] = lag


@implements(proc=RecordingLIF, protocol=LoihiProtocol)
class RecordingLIFModel(PyLifResetModelBitAcc):
    """Runs :class:`RecordingLIF`: Lava's own dynamics, with its tags and resources."""

    # Or the decorator would refuse to give the model another process than its parent's.
    implements_process = None

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.spikes, self.overflow = proc_params["spikes"], proc_params["overflow"]
        self.steps, self.lag = proc_params["steps"], proc_params["lag"]

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        """Notice a current that is about to be wrapped; Lava calls this once a step, after the reset."""
        index = self.time_step - 1 - self.lag
        if self.overflow[0] < 0 and 0 <= index < self.steps:
            keep = self.decay_unity - self.du - self.ds_offset
            note_overflow(self.overflow, index, self.u, keep, activation_in)
        super().subthr_dynamics(activation_in)

    def reset_voltage(self, spike_vector: np.ndarray) -> None:
        """Keep the spikes of a step, and reset the neurons that fired; Lava calls this once a step."""
        super().reset_voltage(spike_vector)
        # Lava counts steps from 1.
        index = self.time_step - 1 - self.lag
        if self.spikes is not None and 0 <= index < self.steps:
            self.spikes[index] = spike_vector


def population(files: "LayerFiles") -> RecordingLIF:
    """The neurons of a layer."""
    lag = files.layer["lag"]
    return RecordingLIF(
        spikes=files.activity,
        overflow=files.overflow,
        steps=files.steps,
        lag=lag,
        shape=(files.layer["size"],),
        # Lava adds 1 to the decay of the current, as Loihi does.
        du=files.layer["current_decay"] - 1,
        dv=files.layer["voltage_decay"],
        vth=files.layer["threshold"],
        bias_mant=files.bias,
        bias_exp=BIAS_EXPONENT,
        reset_interval=files.time_steps,
        reset_offset=lag + 1,
    )
