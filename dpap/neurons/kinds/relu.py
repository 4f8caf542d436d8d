"""Parameters of the rectified linear unit that sends its changes."""

from typing import Literal

from pydantic import Field

from dpap.neurons.neuron import Neuron


class ReLU(Neuron):
    r"""A rectified linear unit with a sigma-delta encoder (SLAYER's ``sigma_delta``, Lava's ``SigmaDelta``).

    .. math::
        \sigma[t] &= \sigma[t-1] + a[t], \qquad x[t] = \max(\sigma[t] + b, 0) \\
        \delta[t] &= x[t] - x[t-1] + r[t-1], \qquad
        s[t] = \delta[t] \text{ where } |\delta[t]| \ge \vartheta,\ 0 \text{ elsewhere} \\
        r[t] &= \delta[t] - s[t]

    The unit sends :math:`s[t]`, rounded down to a multiple of the message unit. An input that stays the same
    causes messages at the first step alone. The dynamics run in integers (:mod:`dpap.neurons.sigma_delta`).

    The message unit of a layer is its input's, divided by the power of two that brings it closest to
    :math:`2^{-f}`. So where inputs of 255 stand for 1 and f is 6, the first layer sends multiples of 4/255.

    Attributes
    ----------
    threshold : float
        :math:`\vartheta`, in units of the real-valued activation; at least one message unit, which is what 0
        stands for.
    fraction_bits : int
        f: binary digits of messages behind the point. More of them round less, and leave less room in 24
        bits; sums that float32 cannot hold exactly are computed in float64, which is slow.
    rectified : bool
        Whether negative activations become zero. Those of a network's last layer do not: they are logits.
    """

    sends = "changes"
    loss = "cross-entropy"

    type: Literal["relu"] = "relu"
    threshold: float = Field(0.0, ge=0, allow_inf_nan=False)
    fraction_bits: int = Field(6, ge=0, le=28)
    rectified: bool = True

    @property
    def of_output(self) -> "ReLU":
        """The unit of a network's last layer: the same, without rectification."""
        return self.model_copy(update={"rectified": False})
