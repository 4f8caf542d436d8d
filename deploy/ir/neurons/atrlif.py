r"""Leaky integrate-and-fire neurons with an adaptive threshold and refractoriness, as Lava's ``ATRLIF``.

.. math::
    u[t] &= \mathrm{wrap}(\mathrm{rtz}(u[t-1]\, (4096 - d_u) / 4096) + 64\, a[t]) \\
    v[t] &= \mathrm{clip}(\mathrm{rtz}(v[t-1]\, (4096 - d_v) / 4096) + u[t] + 64\, b) \\
    \theta[t] &= \mathrm{rtz}((\theta[t-1] - 64\,\Theta)\, (4096 - d_\theta) / 4096) + 64\,\Theta \\
    r[t] &= \mathrm{rtz}(r[t-1]\, (4096 - d_r) / 4096) \\
    s[t] &= v[t] - r[t] \ge \theta[t]; \qquad
    r[t] \mathrel{+}= 2\,\theta[t]\, s[t], \quad \theta[t] \mathrel{+}= 64\,\Delta\, s[t]

with rtz, wrap and clip of :mod:`dpap.neurons.reference`, a the synaptic sum, b the bias, :math:`\Theta` and
:math:`\Delta` the mantissas of threshold and step, and d integer decays. Source: lava-nc 0.10,
``PyATRLIFModelFixed``.

All states fit into 32 bits: a spike needs :math:`r + \theta \le v < 2^{23}`, so that :math:`\theta` stays
below :math:`2^{23} + 2^{23}` and r below :math:`2^{23} + 2^{23}`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.ir.neurons.fixed_point import compiled, excess, fraction_kept, integrate
from deploy.ir.neurons.neuron import SpikingNeuron, require
from dpap.neurons.kernels import clipped, decayed, wrapped
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT, THRESHOLD_LIMIT


@dataclass(frozen=True)
class ATRLIF(SpikingNeuron):
    """Integer parameters of a population whose thresholds rise with every spike.

    Attributes
    ----------
    current_decay, voltage_decay, threshold_decay, refractory_decay : int
        Decays in 1/4096, 0 to 4096.
    threshold : int
        Threshold mantissa, 1 to 131071: what the threshold decays to.
    threshold_step : int
        Mantissa of what a spike adds to it, 0 to 131071.
    """

    kind = "atrlif"
    learned = "alif"
    states = 4

    current_decay: int
    voltage_decay: int
    threshold_decay: int
    refractory_decay: int
    threshold: int
    threshold_step: int

    @classmethod
    def of(cls, neuron: Any, integers: Any, unit: float) -> "ATRLIF":
        """The neurons of a block; see :meth:`Neuron.of`."""
        return cls(
            current_decay=DECAY_UNITY - neuron.current_keep,
            voltage_decay=DECAY_UNITY - neuron.voltage_keep,
            threshold_decay=DECAY_UNITY - neuron.threshold_keep,
            refractory_decay=DECAY_UNITY - neuron.refractory_keep,
            threshold=integers.threshold,
            threshold_step=neuron.step_mantissa(unit),
        )

    def check(self) -> None:
        """Check decays, threshold and step."""
        super().check()
        for field in ("threshold_decay", "refractory_decay"):
            require(self, field, 0, DECAY_UNITY)
        require(self, "threshold_step", 0, THRESHOLD_LIMIT)

    @property
    def constants(self) -> tuple[Any, ...]:
        """Fractions that current, voltage, threshold and refractory state keep; threshold and step."""
        decays = self.current_decay, self.voltage_decay, self.threshold_decay, self.refractory_decay
        mantissas = self.threshold, self.threshold_step
        return (*map(fraction_kept, decays), *(np.int32(mantissa << STATE_SHIFT) for mantissa in mantissas))

    def rest(self, neurons: int) -> tuple[np.ndarray, ...]:
        """Current, voltage and refractory state 0, and the threshold's."""
        current, voltage, refractory = (np.zeros(neurons, np.int32) for _ in range(3))
        return current, voltage, np.full(neurons, self.threshold << STATE_SHIFT, np.int32), refractory

    def fires_by_bias(self, bias: np.ndarray, steps: int) -> np.ndarray:
        """Which neurons fire within so many steps from rest without any input, bool."""
        states, drive = self.rest(len(bias)), (bias << STATE_SHIFT).astype(np.int32)
        fires, spikes = np.zeros(len(bias), bool), np.empty(len(bias), np.uint8)
        sums, left = np.zeros((2, len(bias)), np.int32)
        for _ in range(steps):
            self.step(sums, drive, self.constants, states, spikes, left)
            fires |= spikes.astype(bool)
        return fires

    @property
    def step(self) -> Any:
        """The compiled kernel of one step; see :attr:`SpikingNeuron.step`."""
        return _step


@compiled
def _step(sums, bias, constants, states, spikes, left):
    keep_u, keep_v, keep_theta, keep_r, threshold, threshold_step = constants
    u, v, theta, r = states
    some = np.int32(0)
    for n in range(len(sums)):
        current = integrate(u[n], sums[n], keep_u)
        outside = excess(current)
        left[n] = current if outside != 0 else np.int32(0)
        some |= outside
        u[n] = wrapped(current)
        v[n] = clipped(np.int32(decayed(v[n], keep_v) + u[n] + bias[n]))
        level = np.int32(decayed(np.int32(theta[n] - threshold), keep_theta) + threshold)
        refractory = decayed(r[n], keep_r)
        fired = np.int32(v[n] - refractory) >= level
        spikes[n] = np.uint8(1) if fired else np.uint8(0)
        theta[n] = np.int32(level + threshold_step) if fired else level
        r[n] = np.int32(refractory + 2 * level) if fired else refractory
        sums[n] = 0
    return some != 0
