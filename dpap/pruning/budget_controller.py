r"""Controls the decay of survival functions until the compiled network meets a budget.

At the end of every epoch the network is measured as it would be deployed (:class:`dpap.pruning.CostReading`).
Each reading prices the remaining units, and with these prices the controller follows the path of
:mod:`dpap.pruning.target_controller`. The units to prune are masked and the network is measured again before
they are pruned: where it would fall below the path, fewer are chosen, and where it would still be above a
budget that is due, more.

**Weight of a layer.** Pruning a share of a layer is assumed to cost the same accuracy in every layer, and it
saves that share of the layer's cost; so costlier layers are pruned harder, in proportion to their cost. With
:math:`c` the cost of its synapses, or that of its neurons with all synapses on either side, and
:math:`w = c / \max c`, its decay value, :math:`\epsilon` with the shift :math:`s`, becomes

.. math::
    \epsilon' = w\,(\epsilon + s)

and a unit is pruned above the shift :math:`(\epsilon + s^*) / w - \epsilon`, where :math:`s^*` is the shift
of :mod:`dpap.pruning.target_controller`. Units whose removal saves nothing do not decay: for a budget of
cores these are all units that free no core.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from dpap.errors import InputError
from dpap.pruning.cost_reading import CostFunction, CostReading, UnitPrices, read
from dpap.pruning.dpap_layer_state import DPAPLayerState
from dpap.pruning.drop_search import DropSearch
from dpap.pruning.sources import AliveMasks, alive_synapses
from dpap.pruning.target import TargetConfig
from dpap.pruning.target_controller import TargetController, cost_of
from dpap.state import check_keys, checked_state

OVERSHOOT = 0.02
"""Share of the path's cost by which the measured value may fall below it; of cores, at least one."""

LEAST_WEIGHT = 0.01
"""Of a layer whose decay is not zero."""


class BudgetController(TargetController):
    """Controls the decay towards a measured budget.

    Attributes
    ----------
    reading : Reading
        Of the network as it is: after the last epoch and its pruning.
    untouched : bool
        Whether no unit has been pruned yet.
    accuracy_before : float or None
        Of the last reading before the first unit was pruned; None where accuracy is not measured.
    held : bool
        Whether the last epoch pruned nothing because the accuracy was too low.
    held_epochs : int
        How many did.
    exhausted : bool
        Whether no unit was left in the last epoch that could be pruned to meet a budget that is due.

    Raises
    ------
    InputError
        The network cannot be measured, or its accuracy is not measured and a limit is set to it.
    """

    def __init__(
        self,
        config: TargetConfig,
        warm_up: int,
        layers: Mapping[str, DPAPLayerState],
        sources: Mapping[str, tuple[str, ...]],
        network: nn.Module,
        cost_function: CostFunction,
    ):
        super().__init__(config, warm_up, layers, sources)
        self._network, self._cost_function = network, cost_function
        self.untouched, self.held, self.exhausted = True, False, False
        self.held_epochs = 0
        self._search: DropSearch | None = None
        self._goal: tuple[int, float] | None = None
        self._weights: dict[str, tuple[float, float]] = {}
        # Now, so that what cannot be measured is refused before anything is learned.
        self.reading = self._model = self._read()
        self.accuracy_before = self.reading.accuracy
        limits = config.min_accuracy, config.max_drop
        if self.reading.accuracy is None and limits != (None, None):
            raise InputError(
                "target.min_accuracy and target.max_drop need a measurement that gives the accuracy; give"
                " the samples' labels"
            )

    @property
    def limit(self) -> float:
        """The limit of the budget."""
        return self.config.budget.limit

    @property
    def met(self) -> bool:
        """Whether the network as it is meets the budget."""
        return self.reading.value <= self.limit and self.reading.violation is None

    @property
    def end(self) -> float:
        """The cost at the end of the path."""
        return self.limit

    @property
    def least_accuracy(self) -> float | None:
        """Below which nothing is pruned."""
        limits = [] if self.config.min_accuracy is None else [self.config.min_accuracy]
        if self.config.max_drop is not None:
            limits.append(self.accuracy_before - self.config.max_drop)
        return max(limits, default=None)

    def path(self, completed: int) -> float:
        """The cost of the path after so many epochs; infinite while the accuracy is too low."""
        if self._goal is not None and completed == self._goal[0]:
            return self._goal[1]
        return math.inf if self.held else super().path(completed)

    def begin(self, epoch: int) -> None:
        """Measure the network at the end of an epoch, before units are pruned."""
        self.reading = self._model = self._read()
        if self.untouched:
            self.accuracy_before = self.reading.accuracy
        self._search, self._goal, self._weights = None, None, self._weigh()
        self.exhausted = False
        self.held = self.least_accuracy is not None and self.reading.accuracy < self.least_accuracy
        asks = self.reading.value > self.limit and epoch + 1 > self.config.first_pruning(self.warm_up)
        self.held &= asks
        self.held_epochs += self.held
        self.cost = self.reading.value

    def shifts(self, name: str, shift: float) -> tuple[float, float]:
        """The shifts of a layer's synapses and neurons; see the module."""
        epsilon = self.layers[name].constants.epsilon
        synapses, neurons = (weight * (epsilon + shift) - epsilon for weight in self._weights[name])
        return synapses, neurons

    def falls_short(self, epoch: int) -> bool:
        """Whether too few units are pruned for the path, or so few that only large ones can be chosen."""
        left, wanted = self._cost(self._alive_masks(self._to_prune()), self._prices()), self.path(epoch + 1)
        return super().falls_short(epoch) or left < (1 - OVERSHOOT) * wanted < math.inf

    def accept(self, epoch: int) -> bool:
        """Measure the network without the units to prune; whether they may be pruned, or others be chosen."""
        to_prune = self._to_prune()
        any_marked = any(bool(units.any()) for pair in to_prune.values() for units in pair)
        if any_marked or self._search is not None:
            self.reading = self._read(self._alive_masks(to_prune))
            self.cost = self.reading.value
        if not self.held and self._chooses_others(epoch, to_prune, any_marked):
            return False
        self.untouched &= not any_marked
        return True

    def _chooses_others(self, epoch: int, to_prune, any_marked: bool) -> bool:
        """Set another goal for the cost after this epoch, where the measured value misses the path."""
        value, before = self.reading.value, self._model.value
        wanted = super().path(epoch + 1)
        few = self.is_due(epoch) and value > self.limit
        slack = max(OVERSHOOT * wanted, 1.0 if self.config.budget.quantity == "cores" else 0.0)
        if not few and not (any_marked and value < wanted - slack):
            return False
        prices = self._prices()
        now = self._cost(self._alive_masks(), prices)
        if self._search is None:
            self._search = DropSearch(now)
        drop = self._search.next_drop(
            now - self._cost(self._alive_masks(to_prune), prices),
            few=few,
            fell=(before - value) / max(before, self.limit),
            wanted=(before - wanted) / max(before, self.limit),
        )
        self.exhausted = few and drop is None
        if drop is not None:
            self._goal = epoch + 1, max(now - drop, 0.0)
        return drop is not None

    def account(self) -> None:
        """Nothing more: the last reading says what is left."""

    def _critical(self, layer: DPAPLayerState, epoch: int, steps: int):
        epsilon = layer.constants.epsilon
        critical = layer.critical_shifts(epoch, steps)
        for values, weight in zip(critical, self._weights[layer.name], strict=True):
            never = torch.finfo(values.dtype).max
            scaled = (values + epsilon) / weight - epsilon if weight else torch.full_like(values, never)
            values.copy_(torch.where(values < never, scaled, values))
        return critical

    def _weigh(self) -> dict[str, tuple[float, float]]:
        """The weight w of the decay of each layer's synapses, and of its neurons, 0 to 1."""
        prices = self._model.prices
        if prices is None:
            return dict.fromkeys(self.layers, (1.0, 1.0))
        masks = alive_synapses(self.blocks, self.sources, self._alive_masks())
        synapses = {
            name: cost_of({name: masks[name]}, {name: price}) for name, price in self._prices().items()
        }
        costs = {
            name: (
                synapses[name],
                synapses[name]
                + float(prices[name].neurons.sum())
                + sum(synapses[other] for other, received in self.sources.items() if name in received),
            )
            for name in self.layers
        }
        prunable = [costs[layer.name] for layer in self.layers.values() if layer.prunable]
        most = max((cost for pair in prunable for cost in pair), default=0.0)
        if most <= 0:
            return dict.fromkeys(self.layers, (0.0, 0.0))
        return {
            name: tuple(cost / most if cost >= LEAST_WEIGHT * most else 0.0 for cost in pair)
            for name, pair in costs.items()
        }

    def _read(self, alive_masks: AliveMasks | None = None) -> CostReading:
        """Measure the network with its masks as they are, or with other alive masks."""
        if alive_masks is not None:
            for name, alive in alive_synapses(self.blocks, self.sources, alive_masks).items():
                mask = self.blocks[name].mask
                mask.copy_(alive.view(mask.shape))
        reading = read(self._cost_function, self._network)
        if reading.prices is not None:
            self._check_prices(reading.prices)
        return reading

    def _check_prices(self, prices: Mapping[str, UnitPrices]) -> None:
        if set(prices) != set(self.layers):
            raise InputError(
                f"the budget's measurement prices {', '.join(prices)}; the layers are"
                f" {', '.join(self.layers)}"
            )
        for name, layer in self.layers.items():
            expected = (layer.groups, layer.synapse_alive.shape[1]), (len(layer.neuron_alive),)
            shapes = np.shape(prices[name].synapses), np.shape(prices[name].neurons)
            if shapes != expected:
                raise InputError(
                    f"the budget's measurement has prices of shapes {shapes} for {name}; expected {expected}"
                )

    def _cost(self, alive_masks: AliveMasks, prices: Mapping[str, torch.Tensor]) -> float:
        total = self._model.fixed + super()._cost(alive_masks, prices)
        if self._model.prices is not None:
            for name, (_, neurons) in alive_masks.items():
                price = torch.as_tensor(self._model.prices[name].neurons, device=neurons.device)
                total += float((neurons * price).sum())
        return total

    def _prices(self) -> dict[str, torch.Tensor]:
        if self._model.prices is not None:
            return {
                name: torch.as_tensor(self._model.prices[name].synapses, device=layer.synapse_alive.device)
                for name, layer in self.layers.items()
            }
        prices = {name: layer.weight_price() for name, layer in self.layers.items()}
        weights = super()._cost(self._alive_masks(), prices)
        return {name: price * (self._model.value / max(weights, 1.0)) for name, price in prices.items()}

    def state_dict(self) -> dict[str, Any]:
        """The controller's state and the last reading, for a checkpoint."""
        accuracies = self.accuracy_before, self.reading.accuracy
        known = [-1.0 if accuracy is None else accuracy for accuracy in accuracies]
        return {
            **super().state_dict(),
            "measured": torch.tensor([*known, self.reading.value], dtype=torch.float64),
            "violation": self.reading.violation or "",
            "held_epochs": self.held_epochs,
            "flags": torch.tensor([self.untouched, self.held, self.exhausted]),
        }

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave."""
        now = self.state_dict()
        own = {"measured": now["measured"], "flags": now["flags"], "held_epochs": None}
        check_keys(state, {**own, "steering": None, "violation": None}, "DPAP, steering")
        values = checked_state({name: state[name] for name in own}, own, "DPAP, steering")
        super().load_state_dict({"steering": state["steering"]})
        if not isinstance(state["violation"], str):
            raise InputError(f"DPAP, steering, violation is {state['violation']!r}; expected text")
        before, accuracy, value = values["measured"].tolist()
        self.accuracy_before = None if before < 0 else before
        self.reading = CostReading(
            value, None if accuracy < 0 else accuracy, violation=state["violation"] or None
        )
        self.held_epochs = values["held_epochs"]
        self.untouched, self.held, self.exhausted = (bool(flag) for flag in values["flags"])
