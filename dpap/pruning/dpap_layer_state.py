"""The state of one layer under developmental pruning."""

from typing import Any

import torch

from dpap.plasticity import find_criterion
from dpap.pruning.config import DPAPConfig, SurvivalConfig
from dpap.pruning.layer import PrunedLayer
from dpap.pruning.prunable import Prunable
from dpap.pruning.survival import decay_factor, normalize, survival_update
from dpap.runtime.reduction import sum_over_ranks
from dpap.state import check_keys, checked_state

SMALLEST_FACTOR = 1e-30
"""Below it a structure has settled; a limit for divisions."""


class DPAPLayerState(PrunedLayer):
    """Importance gathered over an epoch, survival functions, and alive masks of one layer.

    Attributes
    ----------
    constants : SurvivalConfig
        The layer's, every value set.
    importance : Importance
        Gathers what the synapses and neurons are worth.
    synapse_survival, neuron_survival : Tensors of shape (post, pre / groups) and (post,)
        Survival functions F.
    synapses_to_prune, neurons_to_prune : bool Tensors of the same shapes
        Units whose survival function falls below zero with the epoch that ends.
    source : DPAPLayerState or None
        The layer before, where this one's presynaptic activity is that one's postsynaptic one.
    observed : Tensor or None
        What the importance keeps of the last forward pass's activity.
    appraised : pair of Tensors or None
        Normalised importance of synapses and neurons in the last epoch, in [0, 1]; None where the epoch could
        not prune.
    spikes, samples : Tensor of shape (pre of all groups,), int
        Presynaptic spikes of the epoch, and the samples that they were counted over.
    """

    def __init__(
        self, block: Prunable, prunable: bool, config: DPAPConfig, source: "DPAPLayerState | None" = None
    ):
        super().__init__(block, prunable)
        self.config, self.source = config, source
        self.constants: SurvivalConfig = config.constants(block.name, block.kind)
        self.importance = find_criterion(config.importance)(block, config)
        self.synapse_survival = torch.full(
            self.synapse_alive.shape, self.constants.beta, device=block.weight.device
        )
        self.neuron_survival = torch.full(
            self.neuron_alive.shape, self.constants.beta, device=block.weight.device
        )
        self.synapses_to_prune = torch.zeros_like(self.synapse_alive)
        self.neurons_to_prune = torch.zeros_like(self.neuron_alive)
        self.observed: torch.Tensor | None = None
        self._observations: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._normalized: tuple[torch.Tensor, torch.Tensor] | None = None
        self.appraised: tuple[torch.Tensor, torch.Tensor] | None = None
        self.counts_spikes = config.target is not None and config.target.synops is not None
        self.spikes = torch.zeros(self._inputs, dtype=torch.float64, device=block.weight.device)
        self.samples = 0
        self.least_neurons = config.floor.least_neurons(self)
        self.least_synapses = config.floor.least_synapses(self)

    @property
    def _inputs(self) -> int:
        return self.synapse_alive.shape[1] * self.groups

    @property
    def watches(self) -> bool:
        """Whether forward passes have to be observed."""
        return self.counts_spikes or (self.prunable and self.importance.observes)

    @property
    def alive_masks(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Remaining synapses and neurons."""
        return self.synapse_alive, self.neuron_alive

    @property
    def survival(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Survival functions of synapses and neurons."""
        return self.synapse_survival, self.neuron_survival

    @torch.no_grad()
    def observe(self, inputs: torch.Tensor, activity: torch.Tensor) -> None:
        """Keep what the importance needs of one forward pass (eq. 5, 6)."""
        # The inputs may be a single step that stands for all; activity has every step.
        steps = len(activity)
        if self.counts_spikes:
            self._count(inputs, steps)
        if not (self.prunable and self.importance.observes):
            return
        if self.source is not None and self.source.observed is not None:
            received = self.source.observed
        else:
            received = self.importance.summarize(inputs, steps)
        self.observed = self.importance.summarize(activity, steps)
        self._observations.append((self._real(received), self.observed))

    def _real(self, received: torch.Tensor) -> torch.Tensor:
        """Presynaptic activity in real units, in which a recurrent layer's own spikes are already."""
        if not getattr(self.block, "recurrent", False):
            return received if self.block.input_divisor == 1 else received / self.block.input_divisor
        own = len(self.neuron_alive)
        return torch.cat([received[..., :-own] / self.block.input_divisor, received[..., -own:]], -1)

    def _count(self, inputs: torch.Tensor, steps: int) -> None:
        # From a layer come spikes, or their sums over the windows of a pool; from outside any number at all.
        counted = inputs if self.receives_spikes else (inputs != 0).to(inputs.dtype)
        summed = counted.flatten(3).sum(3) if counted.dim() > 3 else counted
        self.spikes += summed.sum((0, 1), dtype=torch.float64) * (steps / len(inputs))
        self.samples += inputs.shape[1]

    receives_spikes = True
    """Whether the inputs are the spikes of layers, not the network's input."""

    @torch.no_grad()
    def gather_batch(self) -> None:
        """Add the importance of the batch to the epoch's (eq. 7 to 10)."""
        if not self._observations:
            return
        if len(self._observations) == 1:
            pre, post = self._observations[0]
        else:
            pre, post = (torch.cat(kept) for kept in zip(*self._observations, strict=True))
        self.observed = None
        self._observations.clear()
        self.importance.gather(pre, post)

    def drop_batch(self) -> None:
        """Forget what was observed and not gathered."""
        self.observed = None
        self._observations.clear()

    def reduce(self) -> None:
        """Add up what the processes that share the batches gathered (:mod:`dpap.runtime.reduction`)."""
        self.importance.reduce()
        if self.counts_spikes:
            counts = sum_over_ranks(torch.cat([self.spikes, self.spikes.new_full((1,), self.samples)]))
            self.spikes.copy_(counts[:-1])
            self.samples = int(counts[-1])

    @torch.no_grad()
    def appraise(self) -> None:
        """Normalise the importance of the epoch that ends (eq. 11, and the first part of 12 and 13)."""
        alive_synapses = self.synapse_alive & self.neuron_alive[:, None]
        pairs = (self.importance.synapses(), alive_synapses), (self.importance.neurons(), self.neuron_alive)
        how = self.config.normalization, self.config.percentile
        self._normalized = tuple(normalize(importance, alive, *how) for importance, alive in pairs)

    @torch.no_grad()
    def survive(self, epoch: int, synapse_shift: float = 0.0, neuron_shift: float = 0.0) -> None:
        """Update the survival functions and mark the units to prune (eq. 12 to 17).

        Parameters
        ----------
        epoch : int
            Epochs since the warm-up.
        synapse_shift, neuron_shift : float
            Added to the decay value.
        """
        constants = {
            "protection": self.constants.protection,
            "eta": self.constants.eta,
            "gamma": self.constants.gamma,
            "staircase": self.config.staircase,
        }
        synapses, neurons = self._normalized
        if self.constants.synapses:
            self.synapse_survival = survival_update(
                self.synapse_survival,
                synapses,
                epoch,
                epsilon=self.constants.epsilon + synapse_shift,
                **constants,
            )
        if self.constants.neurons:
            self.neuron_survival = survival_update(
                self.neuron_survival,
                neurons,
                epoch,
                epsilon=self.constants.epsilon + neuron_shift,
                **constants,
            )
        self.synapses_to_prune = self.synapse_alive & (self.synapse_survival < 0)
        self.neurons_to_prune = self.neuron_alive & (self.neuron_survival < 0)

    @torch.no_grad()
    def critical_shifts(self, epoch: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The shifts of the decay value above which synapses, and neurons, are pruned within so many epochs.

        See :mod:`dpap.pruning.target_controller`; ``epoch`` counts from the warm-up and is the first of them.
        Units that the floor keeps, as it looks now, are pruned at none.
        """
        gamma, eta, staircase = self.constants.gamma, self.constants.eta, self.config.staircase
        reach = sum(
            gamma ** (steps - 1 - step) * decay_factor(epoch + step, eta, staircase) for step in range(steps)
        )
        ratio = gamma**steps / max(reach, SMALLEST_FACTOR)
        never = torch.finfo(self.neuron_survival.dtype).max
        synapses, neurons = (
            2 * normalized + ratio * survival - self.constants.epsilon
            for normalized, survival in zip(self._normalized, self.survival, strict=True)
        )
        kept = _highest(neurons, self.neuron_alive, self.least_neurons)
        neurons[kept] = never
        # The floor's synapses are best where neurons stay, as far as those have as many.
        rows = self.synapse_alive & (kept[:, None] if self.least_neurons else self.neuron_alive[:, None])
        synapses[_highest(synapses, rows, self.least_synapses)] = never
        if not self.constants.synapses:
            synapses.fill_(never)
        if not self.constants.neurons:
            neurons.fill_(never)
        return synapses, neurons

    @torch.no_grad()
    def prune(self) -> None:
        """Prune the marked units; survival functions below zero of kept units start again from zero."""
        self.synapse_alive &= ~self.synapses_to_prune
        self.neuron_alive &= ~self.neurons_to_prune
        for survival, alive in zip(self.survival, self.alive_masks, strict=True):
            survival[alive & (survival < 0)] = 0

    def new_epoch(self) -> None:
        """Start a new sum."""
        self.importance.new_epoch()
        self.spikes.zero_()
        self.samples = 0
        self.appraised, self._normalized = self._normalized, None

    def weight_price(self) -> torch.Tensor:
        """Weights of a synapse, for each input, ``(groups, pre / groups)``."""
        return self._price(torch.full_like(self.spikes, self.kernel))

    def synops_price(self) -> torch.Tensor:
        """SynOps of a synapse in an inference, for each input (:mod:`dpap.pruning.target_controller`)."""
        reach = self.kernel
        shapes = getattr(self.block, "output_shape", ()), getattr(self.block, "input_shape", ())
        if self.block.kind == "conv" and all(shapes):
            outputs, inputs = (shape[1] * shape[2] for shape in shapes)
            reach *= outputs / inputs
        return self._price(self.spikes * (reach / max(self.samples, 1)))

    def _price(self, by_input: torch.Tensor) -> torch.Tensor:
        return by_input.view(self.groups, -1)

    def state_dict(self) -> dict[str, Any]:
        """The layer's state at the end of a batch, for a checkpoint."""
        return super().state_dict() | {
            "synapse_survival": self.synapse_survival,
            "neuron_survival": self.neuron_survival,
            "spikes": self.spikes,
            "samples": self.samples,
            "importance": self.importance.state_dict(),
        }

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave."""
        own = {
            "synapse_survival": self.synapse_survival,
            "neuron_survival": self.neuron_survival,
            "spikes": self.spikes,
            "samples": None,
        }
        inherited = set(super().state_dict())
        check_keys(state, {**own, "importance": None, **dict.fromkeys(inherited)}, self.name)
        values = checked_state({name: state[name] for name in own}, own, self.name)
        self.importance.load_state_dict(state["importance"], f"{self.name}, importance")
        super().load_state_dict({name: state[name] for name in inherited})
        self.samples = values.pop("samples")
        for name, value in values.items():
            getattr(self, name).copy_(value)
        self.drop_batch()


def _highest(values: torch.Tensor, among: torch.Tensor, count: int) -> torch.Tensor:
    """The ``count`` highest values among some, as a bool Tensor; all of those where they are no more."""
    indices = among.flatten().nonzero().squeeze(1)
    chosen = torch.zeros_like(among)
    if count > 0:
        best = values.flatten()[indices].topk(min(count, len(indices))).indices
        chosen.view(-1)[indices[best]] = True
    return chosen
