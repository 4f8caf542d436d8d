"""Parameters of the leaky integrate-and-fire neuron, and the constants of its fixed-point form."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dpap.neurons.surrogate import SurrogateName

DECAY_BITS = 12
"""Decays are multiples of 2**-12 (Loihi's compartment decay registers)."""

DECAY_UNITY = 1 << DECAY_BITS

STATE_SHIFT = 6
"""Loihi shifts every synaptic sum, threshold and bias left by 6 bits into its 24-bit states."""

STATE_LIMIT = 1 << 23
"""Currents have 24 bits: Lava wraps a current outside (-2**23, 2**23], once, by 2**24."""

VOLTAGE_LIMIT = STATE_LIMIT - 1
"""Voltages have 24 bits: Lava clips a voltage to +-(2**23 - 1)."""

SUM_LIMIT = STATE_LIMIT >> STATE_SHIFT
"""A current, in units of synaptic sums, must stay below 2**17 in magnitude, or Lava wraps it."""

ARITHMETIC_LIMIT = (1 << 25) - SUM_LIMIT
"""No synaptic sum may reach this for any input: with a current beside it, it still fits into 32 bits, and
float32 holds every even number up to it."""

THRESHOLD_LIMIT = (1 << 17) - 1
"""Largest threshold mantissa of Loihi (17 bits)."""


class LIF(BaseModel):
    r"""A current-based leaky integrate-and-fire neuron (Loihi's CUBA compartment).

    .. math::
        u[t] &= (1 - \alpha_u)\, u[t-1] + a[t] \\
        v[t] &= (1 - \alpha_v)\, v[t-1]\,(1 - s[t-1]) + u[t] \\
        s[t] &= v[t] > \vartheta

    The defaults are the neuron of DPAP (Han et al. 2024, eq. 1, 2): :math:`\alpha_u = 1` (no synaptic
    current), leak :math:`\lambda = 1 - \alpha_v = 0.2`, threshold 0.5, reset to zero. The dynamics run in
    integers (:mod:`dpap.neurons.reference`), as stock SLAYER and Lava compute them, hence the strict
    comparison and a leak of 819/4096.

    A neuron can fire in every step: the refractory period is one step, the only one that SLAYER's CUBA neuron
    has (``ref_delay`` of lava-dl 0.6 is 1 always).

    Attributes
    ----------
    threshold : float
        Firing threshold :math:`\vartheta`, in units of the real-valued membrane potential.
    current_decay, voltage_decay : float
        :math:`\alpha_u` and :math:`\alpha_v`, the fraction lost in a step, 0 to 1.
    surrogate : str
        Name of the surrogate derivative (:data:`dpap.neurons.SURROGATES`).
    surrogate_width : float
        Its width, in units of the membrane potential (the paper's :math:`a = 1`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["lif"] = "lif"
    threshold: float = Field(0.5, gt=0, allow_inf_nan=False)
    current_decay: float = Field(1.0, ge=0, le=1)
    voltage_decay: float = Field(0.8, ge=0, le=1)
    surrogate: SurrogateName = "rectangle"
    surrogate_width: float = Field(1.0, gt=0, allow_inf_nan=False)

    @property
    def current_keep(self) -> int:
        """What a current keeps in a step, in 1/4096: ``4096 - round(4096 * current_decay)``."""
        return DECAY_UNITY - round(DECAY_UNITY * self.current_decay)

    @property
    def voltage_keep(self) -> int:
        """What a voltage keeps in a step, in 1/4096: 819 for the paper's leak of 0.2."""
        return DECAY_UNITY - round(DECAY_UNITY * self.voltage_decay)

    @property
    def of_output(self) -> "LIF":
        """The neuron of a network's last layer: the same."""
        return self
