r"""Bounds of the currents of neurons, and the error where one leaves its range.

A current is

.. math::
    u[t] = \mathrm{rtz}(u[t-1]\, k_u / 4096) + 64\, a[t],

and is given here in units of synaptic sums, :math:`u / 64`. It has to stay below :math:`2^{17}` in magnitude,
or Lava wraps it (:mod:`dpap.neurons.reference`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from dpap.errors import ActivationOverflow, NetworkError
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT, SUM_LIMIT

OnOverflow = Literal["raise", "wrap"]
"""What a run does where a current leaves its range: raise an error, or wrap as Lava does."""


def check_on_overflow(on_overflow: str) -> None:
    """Raise a :class:`~dpap.errors.NetworkError` unless it is ``raise`` or ``wrap``."""
    if on_overflow not in get_args(OnOverflow):
        raise NetworkError(f"on_overflow is {on_overflow!r}; expected {' or '.join(get_args(OnOverflow))}")


@dataclass(frozen=True)
class Overflow:
    """The first current of a layer that leaves its range, in the order of samples, steps and neurons.

    Attributes
    ----------
    sample, step : int
    neuron : tuple of int
        Index in the layer's shape.
    current : int
        In units of synaptic sums, before it is wrapped.
    """

    sample: int
    step: int
    neuron: tuple[int, ...]
    current: int

    def error(self, layer: str, own_scale: bool = False) -> ActivationOverflow:
        """The error that says so.

        Parameters
        ----------
        layer : str
        own_scale : bool
            Whether the scale of the layer's weights is given, so that no calibration chooses it.
        """
        remedy = "give the network a range with samples like these (dpap.calibrate, or a larger range_margin)"
        if own_scale:
            remedy = "let dpap.quantize choose scales by samples like these"
        neuron = self.neuron[0] if len(self.neuron) == 1 else self.neuron
        return ActivationOverflow(
            f"{layer}: the current of neuron {neuron} is {self.current} in sample {self.sample} at step"
            f" {self.step}, in units of synaptic sums; it must stay below {SUM_LIMIT} in magnitude (24 bits),"
            f" where Lava wraps it: {remedy}, or run with on_overflow='wrap', as Lava does"
        )


def largest_current(sums: torch.Tensor, keep: int, time_steps: int) -> float:
    """Largest magnitude of a current, in units of synaptic sums.

    Parameters
    ----------
    sums : Tensor of shape (T or 1, N, ...)
        Synaptic sums; a single step is the same at every step.
    keep : int
        What currents keep in a step, in 1/4096.
    time_steps : int
    """
    if not sums.numel():
        return 0.0
    sums = sums.detach()
    if not keep:
        lowest, highest = torch.aminmax(sums)
        return torch.maximum(highest, -lowest).item()
    largest = max(current.abs().max() for current in _currents(sums, keep, time_steps))
    return largest.item() / (1 << STATE_SHIFT)


def first_overflow(sums: torch.Tensor, keep: int, time_steps: int) -> Overflow | None:
    """Where the first current leaves its range; None where none does. Parameters as above."""
    limit = SUM_LIMIT << STATE_SHIFT
    found = None
    for step, current in enumerate(_currents(sums.detach(), keep, time_steps)):
        outside = current.abs() >= limit
        if bool(outside.any()):
            index = tuple(int(i) for i in outside.nonzero()[0])
            if found is None or index[0] < found.sample:
                reached = int(current[index]) >> STATE_SHIFT
                found = Overflow(index[0], step, index[1:], reached)
    return found


def _currents(sums: torch.Tensor, keep: int, time_steps: int) -> Iterator[torch.Tensor]:
    """Currents of each step, float64 in state units, not wrapped."""
    current = torch.zeros_like(sums[0], dtype=torch.float64)
    for step in range(time_steps):
        arriving = sums[0 if len(sums) == 1 else step].double() * (1 << STATE_SHIFT)
        # Exact: 37 bits of a state and 12 of a keep fit into the 53 of the float.
        current = torch.trunc(current * (keep / DECAY_UNITY)) + arriving
        yield current
