r"""Steering the decay of survival functions until the compiled network meets a budget.

At the end of every epoch the network is measured as it would be deployed (:class:`dpap.pruning.Reading`).
Each reading prices the living units, and with these prices the decay is steered along the path of
:mod:`dpap.pruning.steering`; so the measured value corrects every epoch what the prices foretold. Once the
budget is due, those who are to die are masked and the network is measured again before they die: where it
would still be above the budget, more are chosen, in proportion to what is missing.

Only kinds of units that have a price are pressed. A budget of cores prices those whose removal frees a core;
all others decay just slowly enough that nobody of them dies.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dpap.errors import InputError
from dpap.pruning.developing import DevelopingLayer
from dpap.pruning.reading import Measure, Reading, read
from dpap.pruning.sources import Life, living_synapses
from dpap.pruning.steering import MARGIN, Steering
from dpap.pruning.target import TargetConfig
from dpap.state import check_keys, checked_state

ATTEMPTS = 8
"""Measurements of an epoch in which the budget is due, until the deaths that it takes are found."""

LEAST_MORE, MOST_MORE = 1.05, 2.0
"""By how much the deaths grow from one attempt to the next."""


class BudgetSteering(Steering):
    """Steers to a measured budget.

    Attributes
    ----------
    reading : Reading
        Of the network as it is: after the last epoch and its deaths.
    untouched : bool
        Whether nobody has died yet.
    accuracy_before : float or None
        Of the last reading before the first death; None where accuracy is not measured.
    held : bool
        Whether the last epoch pruned nothing because the accuracy was too low.
    held_epochs : int
        How many did.
    exhausted : bool
        Whether nobody was left in the last epoch who might have died to meet a budget that is due.

    Raises
    ------
    InputError
        The network cannot be measured, or its accuracy is not measured and a limit is set to it.
    """

    def __init__(
        self,
        config: TargetConfig,
        warm_up: int,
        layers: Mapping[str, DevelopingLayer],
        sources: Mapping[str, tuple[str, ...]],
        network: nn.Module,
        measure: Measure,
    ):
        super().__init__(config, warm_up, layers, sources)
        self._network, self._measure = network, measure
        self.untouched, self.held, self.exhausted = True, False, False
        self.held_epochs = 0
        self._aim, self._attempts, self._asked, self._tried = config.budget.limit, 0, 0.0, -1.0
        self._still: dict[str, list[float]] = {}
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
        """Of the budget."""
        return self.config.budget.limit

    @property
    def met(self) -> bool:
        """Whether the network as it is meets the budget."""
        return self.reading.value <= self.limit and self.reading.violation is None

    @property
    def end(self) -> float:
        """The cost at the end of the path."""
        return self._aim

    @property
    def least_accuracy(self) -> float | None:
        """Below which nothing is pruned."""
        limits = [] if self.config.min_accuracy is None else [self.config.min_accuracy]
        if self.config.max_drop is not None:
            limits.append(self.accuracy_before - self.config.max_drop)
        return max(limits, default=None)

    def path(self, completed: int) -> float:
        """The cost that is asked for after so many epochs; any while the accuracy is too low."""
        return math.inf if self.held else super().path(completed)

    def begin(self, epoch: int) -> None:
        """Measure the network at the end of an epoch, before anybody dies."""
        self.reading = self._model = self._read()
        if self.untouched:
            self.accuracy_before = self.reading.accuracy
        self._aim, self._attempts, self._asked, self._tried = self.limit, 0, 0.0, -1.0
        self.exhausted = False
        self.held = self.least_accuracy is not None and self.reading.accuracy < self.least_accuracy
        asks = self.reading.value > self.limit and epoch + 1 > self.config.first_death(self.warm_up)
        self.held &= asks
        self.held_epochs += self.held
        self.cost = self.reading.value

    def choose(self, epoch: int) -> float:
        """The shift of the decay values for those who are pressed."""
        self._still = {}
        return super().choose(epoch)

    def shifts(self, name: str, shift: float) -> tuple[float, float]:
        """The shift for those who are pressed, and for others one with which nobody dies."""
        synapses, neurons = (
            shift if pressed else still
            for pressed, still in zip(self.pressed(name), self._still[name], strict=True)
        )
        return synapses, neurons

    def pressed(self, name: str) -> tuple[bool, bool]:
        """Whether the deaths of a layer's synapses, and of its neurons, lower the cost."""
        prices = self._model.prices
        if prices is None:
            return True, True
        synapses = bool(prices[name].synapses.any())
        heard = any(name in heard and prices[other].synapses.any() for other, heard in self.sources.items())
        return synapses, synapses or heard or bool(prices[name].neurons.any())

    def accept(self, epoch: int) -> bool:
        """Measure the network without the dying; whether that is enough, or as much as can be had."""
        dying = self._dying()
        anybody = any(bool(units.any()) for pair in dying.values() for units in pair)
        if anybody or self._attempts:
            self.reading = self._read(self._life(dying))
            self.cost = self.reading.value
        above = self.reading.value > self.limit and not self.held
        if above and self.is_due(epoch) and self._asks_for_more(dying):
            return False
        self.untouched &= not anybody
        return True

    def _asks_for_more(self, dying) -> bool:
        """Lower the aim, unless more cannot be had."""
        prices, before = self._prices(), self._model.value
        now = self._cost(self._life(), prices)
        tried = now - self._cost(self._life(dying), prices)
        self._attempts += 1
        if self._attempts == ATTEMPTS or tried <= self._tried:
            self.exhausted = True
            return False
        fell = before - self.reading.value
        share = (before - self.limit) / fell if fell > 0 else MOST_MORE
        more = min(max(share, LEAST_MORE), MOST_MORE)
        # At least what is missing by the measurement, where the prices see nothing to be done.
        least = now * max(before - self.limit, 0.0) / max(before, self.limit)
        self._tried, self._asked = tried, max(more * max(tried, self._asked), least)
        self._aim = max(now - self._asked, 0.0)
        return True

    def account(self) -> None:
        """Nothing more: the last reading says what is left."""

    def _critical(self, layer: DevelopingLayer, epoch: int, steps: int):
        critical = layer.critical_shifts(epoch, steps)
        still = self._still.setdefault(layer.name, [0.0, 0.0])
        for kind, (values, alive, pressed) in enumerate(
            zip(critical, layer.life, self.pressed(layer.name), strict=True)
        ):
            if pressed:
                continue
            mortal = values[alive & (values < torch.finfo(values.dtype).max)]
            if mortal.numel():
                still[kind] = min(still[kind], float(mortal.min()) - MARGIN)
            values.fill_(torch.finfo(values.dtype).max)
        return critical

    def _read(self, life: Life | None = None) -> Reading:
        """Measure the network with its masks as they are, or with only some units alive."""
        if life is not None:
            for name, alive in living_synapses(self.blocks, self.sources, life).items():
                mask = self.blocks[name].mask
                mask.copy_(alive.view(mask.shape))
        reading = read(self._measure, self._network)
        if reading.prices is not None:
            unknown = set(reading.prices) ^ set(self.layers)
            if unknown:
                raise InputError(
                    f"the budget's measurement prices {', '.join(reading.prices)}; the layers are"
                    f" {', '.join(self.layers)}"
                )
        return reading

    def _cost(self, life: Life, prices: Mapping[str, torch.Tensor]) -> float:
        total = self._model.fixed + super()._cost(life, prices)
        if self._model.prices is not None:
            for name, (_, neurons) in life.items():
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
        weights = super()._cost(self._life(), prices)
        return {name: price * (self._model.value / max(weights, 1.0)) for name, price in prices.items()}

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, and what the last reading was."""
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
        own = {"measured": (3,), "flags": (3,), "held_epochs": None}
        check_keys(state, {**own, "steering": None, "violation": None}, "DPAP, steering")
        values = checked_state({name: state[name] for name in own}, own, "DPAP, steering")
        super().load_state_dict({"steering": state["steering"]})
        if not isinstance(state["violation"], str):
            raise InputError(f"DPAP, steering, violation is {state['violation']!r}; expected text")
        before, accuracy, value = values["measured"].tolist()
        self.accuracy_before = None if before < 0 else before
        self.reading = Reading(
            value, None if accuracy < 0 else accuracy, violation=state["violation"] or None
        )
        self.held_epochs = values["held_epochs"]
        self.untouched, self.held, self.exhausted = (bool(flag) for flag in values["flags"])
