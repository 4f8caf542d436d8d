"""The leaky integrate-and-fire neuron with an adaptive threshold and refractoriness."""

from typing import Literal

import torch
from pydantic import Field

from dpap.errors import NetworkError
from dpap.neurons.function import Population
from dpap.neurons.neuron import SpikingNeuron, kept
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT, THRESHOLD_LIMIT, VOLTAGE_LIMIT
from dpap.neurons.reference import wrap
from dpap.neurons.surrogate import derivative_torch


class ALIF(SpikingNeuron):
    r"""A leaky integrate-and-fire neuron whose threshold rises with every spike.

    .. math::
        u[t] &= (1 - \alpha_u)\, u[t-1] + a[t] \\
        v[t] &= (1 - \alpha_v)\, v[t-1] + u[t] \\
        \theta[t] &= (1 - \alpha_\theta)(\theta[t-1] - \vartheta) + \vartheta \\
        r[t] &= (1 - \alpha_r)\, r[t-1] \\
        s[t] &= v[t] - r[t] \ge \theta[t]

    and after a spike :math:`r \leftarrow r + 2\theta`,
    :math:`\theta \leftarrow \theta + \vartheta_{step}`. The membrane potential is not reset: the refractory
    state r holds it down. Source: Lava's ``ATRLIF``
    (lava-nc 0.10, ``PyATRLIFModelFixed``) and SLAYER's ``alif`` (lava-dl 0.6).

    The dynamics run in integers (:func:`dynamics`), bit for bit as Lava computes them. They are torch
    operations, on any device; those of :class:`dpap.LIF` are compiled.

    Attributes
    ----------
    threshold : float
        :math:`\vartheta`, what the threshold decays to, in units of the real-valued membrane potential.
    threshold_step : float
        :math:`\vartheta_{step}`, in the same units.
    current_decay, voltage_decay, threshold_decay, refractory_decay : float
        :math:`\alpha_u, \alpha_v, \alpha_\theta, \alpha_r`, the fraction lost in a step, 0 to 1.
    surrogate : str
        Name of the surrogate derivative (:data:`dpap.neurons.SURROGATES`), of the distance
        :math:`v - r - \theta`.
    surrogate_width : float
        Its width, in units of the membrane potential.
    """

    type: Literal["alif"] = "alif"
    threshold_step: float = Field(0.25, ge=0, allow_inf_nan=False)
    threshold_decay: float = Field(0.2, ge=0, le=1)
    refractory_decay: float = Field(0.2, ge=0, le=1)

    @property
    def largest_threshold(self) -> float:
        """The larger one of threshold and step, which both have 17 bits."""
        return max(self.threshold, self.threshold_step)

    @property
    def threshold_keep(self) -> int:
        """What a raised threshold keeps in a step of what it was raised by, in 1/4096."""
        return kept(self.threshold_decay)

    @property
    def refractory_keep(self) -> int:
        """What the refractory state keeps in a step, in 1/4096."""
        return kept(self.refractory_decay)

    def step_mantissa(self, unit: float) -> int:
        r""":math:`\vartheta_{step}` as an integer, for so many integer units of one of the potential.

        Raises
        ------
        NetworkError
            It does not fit into the 17 bits of a threshold.
        """
        mantissa = int(self.threshold_step * unit)
        if mantissa > THRESHOLD_LIMIT:
            raise NetworkError(
                f"the threshold_step of {self.threshold_step:g} is {mantissa} in integers; it must be at most"
                f" {THRESHOLD_LIMIT} (17 bits): lower it, or the neuron's scale"
            )
        return mantissa

    def spikes(
        self, current: torch.Tensor, population: Population, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Spikes over time; see :meth:`SpikingNeuron.spikes`."""
        return dynamics(self, current, population, bias)

    def recurrent_spikes(
        self,
        current: torch.Tensor,
        recurrent: torch.Tensor,
        population: Population,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Spikes over time; see :meth:`SpikingNeuron.recurrent_spikes`."""
        return dynamics(self, current, population, bias, recurrent)


def dynamics(
    neuron: ALIF,
    current: torch.Tensor,
    population: Population,
    bias: torch.Tensor | None = None,
    recurrent: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Spikes of a population over time, exact in integers.

    With rtz, wrap and clip of :mod:`dpap.neurons.reference`, :math:`k = 4096 (1 - \alpha)`, the threshold
    mantissa :math:`\Theta` and the step mantissa :math:`\Delta`:

    .. math::
        u[t] &= \mathrm{wrap}(\mathrm{rtz}(u[t-1]\, k_u / 4096) + 64\, a[t]) \\
        v[t] &= \mathrm{clip}(\mathrm{rtz}(v[t-1]\, k_v / 4096) + u[t] + 64\, b) \\
        \theta[t] &= \mathrm{rtz}((\theta[t-1] - 64\,\Theta)\, k_\theta / 4096) + 64\,\Theta, \qquad
        r[t] = \mathrm{rtz}(r[t-1]\, k_r / 4096) \\
        s[t] &= v[t] - r[t] \ge \theta[t]; \qquad
        r[t] \mathrel{+}= 2\,\theta[t]\, s[t], \quad \theta[t] \mathrel{+}= 64\,\Delta\, s[t]

    The gradient is that of the real-valued dynamics, spikes' effects on r and :math:`\theta` included, with
    the surrogate in place of the spike's derivative: rounding, wrapping and clipping pass it on.

    Parameters
    ----------
    neuron : ALIF
    current : Tensor of shape (T, N, ...) or (1, N, ...)
        Synaptic sums.
    population : Population
    bias : Tensor of shape (channels,) or (neurons,), optional
    recurrent : Tensor of shape (F, F), optional
        Integer weights, ``[post, pre]``, of what the layer sent one step before.

    Returns
    -------
    Tensor of shape (T, N, ...)
        0 or 1, in the dtype of ``current``.
    """
    state_units = 1 << STATE_SHIFT
    level = float(population.fire)
    step = float(neuron.step_mantissa(population.scale) << STATE_SHIFT)
    distance_unit = population.scale * state_units
    drive: torch.Tensor | float = 0.0
    if bias is not None:
        drive = bias.double().reshape(-1, *(1,) * (current.dim() - 3)) * state_units
    u = v = r = fired = torch.zeros_like(current[0], dtype=torch.float64)
    theta = torch.full_like(u, level)
    spikes = []
    for t in range(population.time_steps):
        sums = current[0 if len(current) == 1 else t].double()
        if recurrent is not None:
            sums = sums + fired @ recurrent.double().T
        # Weights that are not rounded leave fractions, which a state has no room for.
        u = _decayed(u, neuron.current_keep) + _exactly(sums, sums.detach().round()) * state_units
        u = _exactly(u, wrap(u.detach().to(torch.int64)).double())
        v = _decayed(v, neuron.voltage_keep) + u + drive
        v = _exactly(v, v.detach().clamp(-VOLTAGE_LIMIT, VOLTAGE_LIMIT))
        theta = _decayed(theta - level, neuron.threshold_keep) + level
        r = _decayed(r, neuron.refractory_keep)
        distance = (v - r - theta) / distance_unit
        fired = _Spike.apply(distance, neuron.surrogate_width, population.surrogate)
        r = r + 2 * theta * fired
        theta = theta + step * fired
        spikes.append(fired)
    if not spikes:
        return current.new_zeros(0, *current.shape[1:])
    return torch.stack(spikes).to(current.dtype)


def _decayed(state: torch.Tensor, keep: int) -> torch.Tensor:
    """What a step leaves of a state, rounded toward zero; exact: a float64 holds 24 bits times 12."""
    left = state * (keep / DECAY_UNITY)
    return _exactly(left, left.detach().trunc())


def _exactly(value: torch.Tensor, integers: torch.Tensor) -> torch.Tensor:
    """These integers, with the gradient of the value."""
    return value + (integers - value.detach())


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance, width, kind):
        ctx.save_for_backward(distance)
        ctx.width, ctx.kind = width, kind
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (distance,) = ctx.saved_tensors
        return grad * derivative_torch(distance, ctx.width, ctx.kind), None, None
