r"""Controls the decay of survival functions so that pruning reaches a target.

With its importance as it is, the survival function of a unit :math:`k` epochs from now is
:math:`a F + b \Delta` with :math:`a = \gamma^k` and
:math:`b = \sum_{j<k} \gamma^{k-1-j} e^{-(e+j)/\eta}` (eq. 16, 17). It is below zero where the decay value
exceeds

.. math::
    \epsilon^* = 2\,\mathrm{Normalized}(x) + \frac{a}{b} F.

So one shift, added to the :math:`\epsilon` of all layers, decides which units will be pruned by then, and it
is chosen such that what will be left is the cost of the path (:class:`dpap.pruning.TargetConfig`). It is
chosen again after every epoch, as importance changes. What would be pruned beyond the path in this epoch is
kept, the strongest first. Nothing is cut at the end: every pruned unit has decayed.

**SynOps of an inference, as estimated here.** For each layer, the spikes that a presynaptic neuron (or
channel) sends in an inference, as a mean over the samples of the epoch, times its remaining synapses. A
kernel counts its weights times output positions over input positions; what falls off the borders is not taken
off, so the estimate is a little high for padded convolutions. Before a pool that sums, every spike counts,
since it reaches its synapses on hardware. Inputs of the network count once a step where they are not zero,
graded or not.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch

from dpap.errors import InputError
from dpap.pruning.dpap_layer_state import DPAPLayerState
from dpap.pruning.sources import AliveMasks, alive_synapses
from dpap.pruning.target import TargetConfig
from dpap.state import checked_state

BISECTIONS = 20
"""Halvings of the range of shifts; the rest is kept, or caught up with an epoch later."""

TOLERANCE = 0.005
"""Share of the cost at the start by which the path may be missed where single units are large."""

ROUGHLY = 0.01
"""The same where it is missed on the other side by a unit that is pruned."""

PASSES = 64
"""Units that are passed over in an epoch because they are too large."""

MARGIN = 1e-3
"""Added to a shift, so that units to prune fall below zero by more than a rounding error."""


def cost_of(masks: Mapping[str, torch.Tensor], prices: Mapping[str, torch.Tensor]) -> float:
    """Remaining synapses times the price of each input, summed over layers.

    Parameters
    ----------
    masks : dict of bool Tensors of shape (post, pre / groups)
    prices : dict of float64 Tensors of shape (groups, pre / groups)
    """
    total = 0.0
    for name, alive in masks.items():
        price = prices[name]
        counts = alive.view(len(price), -1, alive.shape[1]).sum(1)
        total += float((counts * price).sum())
    return total


class TargetController:
    """Chooses the shift of the decay after each epoch, and keeps what would overshoot.

    Attributes
    ----------
    start : float
        Cost when the first unit may be pruned.
    shift : float
        The last shift of the decay values.
    cost : float
        Remaining weights, or estimated SynOps of an inference, after the last epoch.
    """

    def __init__(
        self,
        config: TargetConfig,
        warm_up: int,
        layers: Mapping[str, DPAPLayerState],
        sources: Mapping[str, tuple[str, ...]],
    ):
        self.config, self.warm_up = config, warm_up
        self.layers, self.sources = layers, sources
        self.blocks = {name: layer.block for name, layer in layers.items()}
        self.start = self.shift = self.cost = 0.0
        self._check_reach()

    def _check_reach(self) -> None:
        if self.config.pruning_rate is None:
            return
        least = {}
        for name, layer in self.layers.items():
            if layer.prunable:
                least[name] = (layer.least_synapses, layer.least_neurons / len(layer.neuron_alive))
            else:
                received = max((least.get(source, (0, 1.0))[1] for source in self.sources[name]), default=1.0)
                least[name] = (layer.synapse_alive.numel() * received, 1.0)
        total = sum(layer.block.weight.numel() for layer in self.layers.values())
        left = sum(least[name][0] * layer.kernel for name, layer in self.layers.items())
        if self.config.pruning_rate > 1 - left / total:
            raise InputError(
                f"target.pruning_rate is {self.config.pruning_rate}; at most {1 - left / total:.4f} can be"
                " pruned with these floors and layers left out"
            )

    @property
    def end(self) -> float:
        """The cost at the end of the path."""
        if self.config.pruning_rate is None:
            return self.config.synops
        weights = sum(layer.block.weight.numel() for layer in self.layers.values())
        return (1 - self.config.pruning_rate) * weights

    def path(self, completed: int) -> float:
        """The cost of the path after so many epochs; infinite while the first units decay."""
        if completed <= self.config.first_pruning(self.warm_up):
            return math.inf
        end = self.end
        return end + max(self.start - end, 0.0) * self.config.share_of_path(completed, self.warm_up)

    def settled(self, epoch: int) -> bool:
        """Whether the target has been reached for good: a rate once its epochs are over."""
        return self.config.pruning_rate is not None and epoch >= self.config.epochs

    def is_due(self, epoch: int) -> bool:
        """Whether a budget is to be kept after the epoch that ends."""
        return self.config.pruning_rate is None and epoch + 1 >= self.config.epochs

    def begin(self, epoch: int) -> None:
        """Measure what there is to be measured before units are pruned."""

    def shifts(self, name: str, shift: float) -> tuple[float, float]:
        """The shifts of one layer's synapses and neurons."""
        return shift, shift

    def accept(self, epoch: int) -> bool:
        """Whether the marked units may be pruned, or others have to be chosen."""
        return True

    def choose(self, epoch: int) -> float:
        """The shift of the decay values for the epoch that ends, counted from 0.

        It is the smallest with which the path is kept at several distances ahead; where the path requires no
        pruning, none or the largest below zero with which nothing is pruned.
        """
        prices = self._prices()
        now = self._cost(self._alive_masks(), prices)
        if epoch <= self.config.first_pruning(self.warm_up):
            # Activity still changes a lot: the path starts from what it is when the first unit may be pruned.
            self.start = now
        distances = self._distances(epoch)
        shift, unharmed = -math.inf, 0.0
        for steps in distances:
            critical = {
                layer.name: self._critical(layer, epoch - self.warm_up, steps)
                for layer in self.layers.values()
                if layer.prunable
            }
            wanted = self.path(epoch + steps)
            if steps == distances[0]:
                unharmed = min(0.0, self._range(critical)[0] - MARGIN)
            if now > wanted:
                shift = self._smallest_shift(critical, prices, wanted, shift)
        self.shift = unharmed if shift == -math.inf else shift + MARGIN
        return self.shift

    def _critical(self, layer: DPAPLayerState, epoch: int, steps: int):
        return layer.critical_shifts(epoch, steps)

    def _distances(self, epoch: int) -> list[int]:
        """Epochs ahead at which the path is to be kept: the farthest, half of it, and so on to 1."""
        farthest = max(1, min(self.config.look_ahead, self.config.epochs - epoch))
        return [farthest >> halvings for halvings in range(farthest.bit_length())]

    def _smallest_shift(self, critical, prices, wanted: float, at_least: float) -> float:
        """The smallest shift, or ``at_least``, above which no more is left than wanted."""

        def predicted(shift: float) -> float:
            pruned = {name: tuple(values < shift for values in pair) for name, pair in critical.items()}
            return self._cost(self._alive_masks(pruned), prices)

        low, high = self._range(critical)
        if at_least > low:
            if predicted(at_least) <= wanted:
                return at_least
            low = at_least
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if predicted(middle) > wanted else (low, middle)
        return high

    def _range(self, critical) -> tuple[float, float]:
        prunable = []
        for name, pair in critical.items():
            for values, alive in zip(pair, self.layers[name].alive_masks, strict=True):
                finite = values[alive & (values < torch.finfo(values.dtype).max)]
                prunable += [finite] if finite.numel() else []
        if not prunable:
            return 0.0, 0.0
        low, high = min(float(v.min()) for v in prunable), max(float(v.max()) for v in prunable)
        return low, high + abs(high) * 1e-3 + 1e-3

    def falls_short(self, epoch: int) -> bool:
        """Whether too few units are marked for the path, by more than the tolerance."""
        left = self._cost(self._alive_masks(self._to_prune()), self._prices())
        return left > self.path(epoch + 1) + TOLERANCE * self.start

    def limit_pruning(self, epoch: int, others: bool = True) -> None:
        """Keep what would take the cost below the path, the highest survival functions first.

        The cost comes as near to the path as it can: a unit that would take it too far alone, such as a
        channel of many synapses, is passed over where there may be ``others``. Once a budget is due, the cost
        does not stay above it.
        """
        prices = self._prices()
        wanted = self.path(epoch + 1)
        if self._cost(self._alive_masks(self._to_prune()), prices) >= wanted:
            return
        ranks, count = self._ranks()
        passed_over: list[int] = []

        def pruned(limit: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
            chosen = {name: tuple(rank < limit for rank in pair) for name, pair in ranks.items()}
            for name, pair in ranks.items():
                for position in passed_over:
                    for rank, to_prune in zip(pair, chosen[name], strict=True):
                        to_prune &= rank != position
            return chosen

        def cost_with(limit: int) -> float:
            return self._cost(self._alive_masks(pruned(limit)), prices)

        low = 0
        while True:
            high = count + 1
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if cost_with(middle) >= wanted else (low, middle)
            above = cost_with(low) - wanted
            if low >= count or above <= TOLERANCE * self.start:
                break
            below = wanted - cost_with(low + 1)
            if below < above and (below <= ROUGHLY * self.start or not others):
                low += 1
                break
            if len(passed_over) == PASSES:
                break
            passed_over.append(low)
        if self.is_due(epoch) and cost_with(low) > wanted:
            low, passed_over = low + 1, passed_over[:-1]
        for name, (synapses, neurons) in pruned(low).items():
            layer = self.layers[name]
            layer.synapses_to_prune &= synapses
            layer.neurons_to_prune &= neurons

    def account(self) -> None:
        """Note what is left."""
        self.cost = self._cost(self._alive_masks(), self._prices())

    def _to_prune(self):
        return {
            n: (la.synapses_to_prune, la.neurons_to_prune) for n, la in self.layers.items() if la.prunable
        }

    def _ranks(self) -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], int]:
        """The order in which units are pruned, by their survival functions; all others come last."""
        places, values = [], []
        ranks = {}
        for name, to_prune in self._to_prune().items():
            layer = self.layers[name]
            pair = tuple(torch.full(d.shape, torch.iinfo(torch.int64).max, device=d.device) for d in to_prune)
            ranks[name] = pair
            for rank, marked, survival in zip(pair, to_prune, layer.survival, strict=True):
                indices = marked.flatten().nonzero().squeeze(1)
                places.append((rank, indices))
                values.append(survival.flatten()[indices])
        order = torch.cat(values).argsort(stable=True)
        position = torch.empty_like(order)
        position[order] = torch.arange(len(order), device=order.device)
        for (rank, indices), part in zip(places, position.split([len(i) for _, i in places]), strict=True):
            rank.view(-1)[indices] = part
        return ranks, len(order)

    def _alive_masks(
        self, pruned: Mapping[str, tuple[torch.Tensor, torch.Tensor]] | None = None
    ) -> AliveMasks:
        alive_masks = {}
        for name, layer in self.layers.items():
            synapses, neurons = layer.alive_masks
            if pruned is not None and name in pruned:
                synapses, neurons = synapses & ~pruned[name][0], neurons & ~pruned[name][1]
            alive_masks[name] = synapses, neurons
        return alive_masks

    def _cost(self, alive_masks: AliveMasks, prices: Mapping[str, torch.Tensor]) -> float:
        return cost_of(alive_synapses(self.blocks, self.sources, alive_masks), prices)

    def _prices(self) -> dict[str, torch.Tensor]:
        return {
            name: layer.synops_price() if self.config.synops is not None else layer.weight_price()
            for name, layer in self.layers.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """The controller's state, for a checkpoint."""
        return {"steering": torch.tensor([self.start, self.shift, self.cost], dtype=torch.float64)}

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave."""
        values = checked_state(state, TargetController.state_dict(self), "DPAP, steering")["steering"]
        self.start, self.shift, self.cost = values.tolist()
