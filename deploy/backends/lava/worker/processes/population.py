"""Lava's neurons, which keep their own spikes."""

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset


class Population(LIFReset):
    """``LIFReset`` that may write its spikes into memory that it shares with whoever reads them.

    Lava's own ways to read a population out send a message for each neuron and step, which takes longer than
    the network itself; and a process beside the population that only listened would cost a fifth of a step.

    Parameters
    ----------
    spikes : uint8 array of shape (steps, size), shared memory, or None
        Row t is what the input of step t (from 0) led to. Without it nothing is kept.
    lag : int
        Steps that the population lags behind the input.
    **neurons
        Of ``LIFReset``.
    """

    def __init__(self, *, spikes: np.ndarray | None, lag: int, **neurons):
        super().__init__(**neurons)
        self.proc_params["spikes"] = spikes
        self.proc_params["lag"] = lag


@implements(proc=Population, protocol=LoihiProtocol)
class PopulationModel(PyLifResetModelBitAcc):
    """Runs :class:`Population`: Lava's own dynamics, with its tags and resources."""

    # Or the decorator would refuse to give the model another process than its parent's.
    implements_process = None

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.spikes, self.lag = proc_params["spikes"], proc_params["lag"]

    def reset_voltage(self, spike_vector: np.ndarray) -> None:
        """Keep the spikes of a step, and reset who fired; Lava calls this once a step."""
        super().reset_voltage(spike_vector)
        # Lava counts steps from 1.
        index = self.time_step - 1 - self.lag
        if self.spikes is not None and 0 <= index < len(self.spikes):
            self.spikes[index] = spike_vector
