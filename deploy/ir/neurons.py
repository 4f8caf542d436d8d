"""The neurons of a layer, in the integers that run: one class for each kind."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Neuron:
    """Integer parameters of a leaky integrate-and-fire population, as Lava and Loihi take them.

    Attributes
    ----------
    current_decay, voltage_decay : int
        Decays in 1/4096, 0 to 4096.
    threshold : int
        Threshold mantissa, 1 to 131071; a neuron fires where its voltage exceeds 64 times it.
    """

    kind: ClassVar[str] = "lif"

    current_decay: int
    voltage_decay: int
    threshold: int


@dataclass(frozen=True)
class SigmaDelta:
    r"""Rectified linear units that send changes of their activations, as Lava's ``SigmaDelta`` does.

    With :math:`A[t] = b + \sum_{t' \le t} a[t']` a unit's bias and all synaptic sums so far, and y the
    activation that was sent last, 0 at first,

    .. math::
        x[t] = \max(A[t], 0), \qquad
        m[t] = \lfloor (x[t] - y[t-1])\, 2^{-k} \rfloor \text{ and } y[t] = x[t]
        \text{ where } |x[t] - y[t-1]| \ge \Theta

    and no message elsewhere (:mod:`dpap.neurons.sigma_delta`).

    Attributes
    ----------
    threshold : int
        :math:`\Theta`, in the units of sums, at least one message, ``2**shift``.
    shift : int
        k, 0 to 22: Lava's ``state_exp``.
    rectified : bool
        Whether negative activations become zero.
    """

    kind: ClassVar[str] = "sigma-delta"

    threshold: int
    shift: int
    rectified: bool = True


@dataclass(frozen=True)
class Maximum:
    r"""Units that send changes of the largest activation of their sources.

    A maximum of changes is no change of the maximum, so each unit adds up what its sources sent,
    :math:`X_i[t] = \sum_{t' \le t} m_i[t']`, and sends :math:`\max_i X_i[t] - \max_i X_i[t-1]`, from 0 on.
    Its synapses say which sources it has; their weights count for nothing.
    """

    kind: ClassVar[str] = "maximum"


NeuronKind = Neuron | SigmaDelta | Maximum


@dataclass(frozen=True)
class InputDeltaEncoder:
    """What sends changes of a network's input, for layers that add them up.

    Attributes
    ----------
    gain : int
        Messages for an input of 1.
    threshold : int
        What a change must reach to be sent, in messages.
    """

    gain: int = 1
    threshold: int = 1

    def messages(self, inputs: np.ndarray) -> np.ndarray:
        """Changes that are sent, int32.

        Parameters
        ----------
        inputs : integer array of shape (samples, steps, *shape)
        """
        sent = np.zeros(inputs.shape, np.int32)
        known = np.zeros((len(inputs), *inputs.shape[2:]), np.int32)
        for step in range(inputs.shape[1]):
            sent[:, step], known = self.step(inputs[:, step], known)
        return sent

    def step(self, inputs: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Changes of one step, and what receivers hold after it, both int32.

        Parameters
        ----------
        inputs : integer array
        known : int32 array of the same shape
            What receivers held before; 0 at first.
        """
        change = inputs.astype(np.int32) * self.gain - known
        change *= np.abs(change) >= self.threshold
        return change, known + change
