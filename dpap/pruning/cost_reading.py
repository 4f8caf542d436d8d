"""The cost of a network that a budget limits, as measured, and what its units contribute to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import nn

from dpap.errors import InputError
from dpap.runtime.reduction import rank, ranks, sum_over_ranks


@dataclass(frozen=True, eq=False)
class UnitPrices:
    """Prices of the remaining units of one layer: their contributions to a cost.

    Attributes
    ----------
    synapses : array of shape (groups, pre / groups)
        Of a synapse (a kernel, between channels), by its input.
    neurons : array of shape (post,)
        Of a neuron (a channel).
    """

    synapses: np.ndarray
    neurons: np.ndarray


@dataclass(frozen=True, eq=False)
class CostReading:
    r"""The cost of a network, as measured.

    To find how much to prune, a measurement can say what each unit contributes. The model is linear:

    .. math::
        c = c_{fixed} + \sum_{\text{remaining synapses}} p_{ij} + \sum_{\text{remaining neurons}} q_i

    and as a new reading is taken after every epoch, it has to be right nearby alone. Where a layer has
    neither kind of price, or one kind is zero, nothing of that kind is pruned towards the budget.

    Attributes
    ----------
    value : float
        That the budget limits, as measured.
    accuracy : float or None
        Of the same network on the same samples, 0 to 1.
    prices : dict of str to UnitPrices, or None
        By layer; None where it is not known what units contribute: then all weights count the same.
    fixed : float
        What no unit contributes.
    violation : str or None
        A limit of the hardware that the network exceeds: the budget is not met, whatever the value.
    """

    value: float
    accuracy: float | None = None
    prices: Mapping[str, UnitPrices] | None = field(default=None, repr=False)
    fixed: float = 0.0
    violation: str | None = None


class CostFunction(Protocol):
    """Measures the cost of a network: :func:`deploy.budget_cost_function` gives one, or write your own.

    It is called with the network as it would be deployed, in evaluation mode, and must leave it as it is.
    It gives a :class:`CostReading`, or the value alone.
    """

    def __call__(self, network: nn.Module) -> CostReading | float:
        """Measure the network."""


@torch.no_grad()
def read(cost_function: CostFunction, network: nn.Module) -> CostReading:
    """Measure a network in evaluation mode; processes that train together all get the first one's reading.

    Raises
    ------
    InputError
        What was measured is no finite number, 0 or more, or its prices are none.
    """
    was_training = network.training
    network.eval()
    try:
        measured = cost_function(network)
    finally:
        network.train(was_training)
    reading = measured if isinstance(measured, CostReading) else CostReading(_number(measured))
    numbers = [("value", _number(reading.value)), ("fixed", reading.fixed)]
    numbers += [] if reading.accuracy is None else [("accuracy", reading.accuracy)]
    for name, part in (reading.prices or {}).items():
        numbers += [(f"{name}, synapses", part.synapses), (f"{name}, neurons", part.neurons)]
    for name, values in numbers:
        if not bool(np.isfinite(values).all()) or bool((np.asarray(values) < 0).any()):
            raise InputError(
                f"the budget's measurement has {name} {values}; expected finite numbers, 0 or more"
            )
    return _of_first_rank(reading, network)


def _number(value: object) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the budget's measurement is a {type(value).__name__}; expected a number or a Reading"
        ) from error


def _of_first_rank(reading: CostReading, network: nn.Module) -> CostReading:
    """The first process's numbers: statistics of a normalisation may differ between processes."""
    if ranks() == 1:
        return reading
    device = next(network.parameters()).device

    def shared(values: np.ndarray | float) -> np.ndarray:
        own = torch.tensor(np.asarray(values, np.float64), device=device)
        return sum_over_ranks(own if rank() == 0 else own.zero_()).cpu().numpy()

    prices = reading.prices and {
        name: UnitPrices(shared(part.synapses), shared(part.neurons)) for name, part in reading.prices.items()
    }
    return replace(
        reading,
        value=float(shared(reading.value)),
        accuracy=None if reading.accuracy is None else float(shared(reading.accuracy)),
        prices=prices,
        fixed=float(shared(reading.fixed)),
    )
