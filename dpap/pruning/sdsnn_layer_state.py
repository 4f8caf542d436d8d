"""The state of one layer under SD-SNN."""

from typing import Any

import torch
from torch import nn

from dpap.errors import InputError
from dpap.plasticity import unit
from dpap.plasticity.ranges import SpineRanges
from dpap.pruning import regeneration
from dpap.pruning.layer import PrunedLayer
from dpap.pruning.neurotrophic import count_alive, least_important
from dpap.pruning.prunable import Prunable
from dpap.pruning.sdsnn_config import SDSNNConfig, StructureConfig
from dpap.runtime.reduction import ranks, sum_over_ranks
from dpap.state import check_keys, checked_state


class SDSNNLayerState(PrunedLayer):
    """Ranges, growth signals and alive masks of one layer.

    A neuron is pruned with its incoming synapses, and is alive again as soon as one of them is regrown.

    Attributes
    ----------
    constants : StructureConfig
        The layer's.
    ranges : SpineRanges
        Of its weights.
    percent : float
        Share of its neurons that is pruned, in percent; it adapts.
    pruned_once : bool Tensor of shape (post,)
        Neurons that have been pruned; those that came back are not pruned again.
    gradient : Tensor of the weight's shape
        Gradients of the masked weight, summed over the epoch.
    strong : int16 Tensor of shape (post, pre / groups)
        Epochs in a row that a pruned synapse has had a strong growth signal.
    pruned, regrown : int
        Neurons that were pruned and synapses that were regrown, since training began.
    """

    def __init__(self, block: Prunable, prunable: bool, config: SDSNNConfig):
        super().__init__(block, prunable)
        if not isinstance(block.weight, nn.Parameter):
            raise InputError(
                f"{block.name}: its weight is computed from others (weight norm), and cannot be clamped;"
                " call disable_weight_norm() on its synapse first"
            )
        self.config = config
        self.constants: StructureConfig = config.constants(block.name, block.kind)
        self.ranges = SpineRanges(block.weight)
        self.percent = self.constants.pruning_percent
        self.pruned_once = ~self.neuron_alive
        self.gradient = torch.zeros_like(block.weight, requires_grad=False)
        self.strong = torch.zeros_like(self.synapse_alive, dtype=torch.int16)
        self.pruned = self.regrown = 0
        self.least_neurons = config.floor.least_neurons(self)

    @torch.no_grad()
    def take_gradient(self, gradient: torch.Tensor) -> None:
        """Add the gradient of the masked weight, of one backward pass."""
        self.gradient += gradient

    def reduce(self) -> None:
        """Take the mean of the gradients of the processes that share the batches."""
        sum_over_ranks(self.gradient).div_(ranks())

    @property
    def _masked_weight(self) -> torch.Tensor:
        weight = self.block.weight.detach()
        alive = self.synapse_alive.view(*self.synapse_alive.shape, *(1,) * (weight.dim() - 2))
        return weight * alive

    def start_ranges(self) -> None:
        """Take the ranges from the weights as they are."""
        self.ranges = SpineRanges(self.block.weight)

    def constrain(self, clamp: bool) -> None:
        """Let the ranges follow the weights of the epoch that ends, and the weights their ranges."""
        if self.block.kind != "conv" or self.config.constrain_convolutions:
            self.ranges.update(self._masked_weight, self.config.patience, self.config.shrink)
        if clamp:
            self.clamp()

    def clamp(self) -> None:
        """Bring the weights into their ranges."""
        self.ranges.clamp(self.block.weight.data)

    def importance(self) -> torch.Tensor:
        """Of each neuron, the sum of its remaining synapses' ranges, brought to [0, 1] over the layer."""
        reach = unit(self.ranges.width())
        if reach.dim() > 2:
            reach = reach.flatten(2).sum(2)
        return reach.mul_(self.synapse_alive).sum(1)

    def prune_neurons(self) -> None:
        """Prune those of the lowest importance, as many as the layer's percentage says, but not the floor."""
        chosen = least_important(self.importance(), self.percent)
        room = max(0, int(self.neuron_alive.sum()) - self.least_neurons)
        new = chosen[~self.pruned_once[chosen]][:room]
        self.pruned += len(new)
        self.pruned_once[new] = True
        self.neuron_alive[new] = False
        self.synapse_alive[new] = False

    def regenerate(self, percentile: float, received: torch.Tensor | None) -> None:
        """Bring back pruned synapses whose growth signal has been strong for longer than the patience.

        Parameters
        ----------
        percentile : float
            Above which a signal is strong.
        received : bool Tensor or None
            Presynaptic neurons that are alive, as of :func:`dpap.pruning.sources.presynaptic_alive`.
        """
        strength = regeneration.growth_strength(self.gradient, self.config.growth_sign == "excitatory")
        candidates = regeneration.strongest(strength, percentile) & ~self.synapse_alive
        if received is not None:
            candidates &= received
        self.strong.add_(1).mul_(candidates)
        back = self.strong > self.config.patience
        index = back.view(-1).nonzero().squeeze(1)
        if len(index):
            self.strong.view(-1)[index] = 0
            self.synapse_alive |= back
            self.neuron_alive |= back.any(1)
            self.regrown += len(index)
            self.block.weight.data.view(self.synapse_alive.numel(), -1)[index] = 0

    def new_epoch(self) -> None:
        """Start a new sum."""
        self.gradient.zero_()

    def alive(self) -> int:
        """Neurons that count as alive for the layers before."""
        return count_alive(self.synapse_alive, self.kernel, self.constants.alive_weights)

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return super().state_dict() | {
            "ranges": self.ranges.state_dict(),
            "percent": torch.tensor([self.percent], dtype=torch.float64),
            "pruned_once": self.pruned_once,
            "gradient": self.gradient,
            "strong": self.strong,
            "pruned": self.pruned,
            "regrown": self.regrown,
        }

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave."""
        own = {
            "percent": torch.zeros(1, dtype=torch.float64),
            "pruned_once": self.pruned_once,
            "gradient": self.gradient,
            "strong": self.strong,
            "pruned": None,
            "regrown": None,
        }
        inherited = set(super().state_dict())
        check_keys(state, {**own, "ranges": None, **dict.fromkeys(inherited)}, self.name)
        values = checked_state({name: state[name] for name in own}, own, self.name)
        self.ranges.load_state_dict(state["ranges"], f"{self.name}, ranges")
        super().load_state_dict({name: state[name] for name in inherited})
        self.percent = float(values["percent"])
        self.pruned, self.regrown = values["pruned"], values["regrown"]
        for name in ("pruned_once", "gradient", "strong"):
            getattr(self, name).copy_(values[name])
