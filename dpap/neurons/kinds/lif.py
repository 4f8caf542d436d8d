"""The leaky integrate-and-fire neuron."""

from typing import Literal

import torch

from dpap.neurons.function import Population, lif, lif_pool
from dpap.neurons.neuron import SpikingNeuron
from dpap.neurons.recurrent import recurrent_lif


class LIF(SpikingNeuron):
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

    type: Literal["lif"] = "lif"

    def spikes(
        self, current: torch.Tensor, population: Population, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """:func:`dpap.neurons.lif`."""
        return lif(current, population, bias)

    def pooled_spikes(
        self, current: torch.Tensor, population: Population, window: int, bias: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """:func:`dpap.neurons.lif_pool`, which stores no spikes."""
        return lif_pool(current, population, window, bias)

    def recurrent_spikes(
        self,
        current: torch.Tensor,
        recurrent: torch.Tensor,
        population: Population,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """:func:`dpap.neurons.recurrent.recurrent_lif`."""
        return recurrent_lif(current, recurrent, population, bias)
