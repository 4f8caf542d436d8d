"""DPAP: developmental plasticity-inspired adaptive pruning."""

from typing import Any

import torch
from torch import nn

from dpap.errors import InputError
from dpap.pruning.budget_steering import BudgetSteering
from dpap.pruning.config import DPAPConfig
from dpap.pruning.developing import DevelopingLayer
from dpap.pruning.floor import spare
from dpap.pruning.prunable import Prunable
from dpap.pruning.pruner import Pruner
from dpap.pruning.reading import Measure
from dpap.pruning.sources import hears_every_spike, presynaptic_life
from dpap.pruning.steering import Steering

LEAST_SHIFT, MOST_SHIFT = 0.25, 64.0
"""Further shifts of the decay, doubled from the one to the other, where a target is still missed."""


class DPAP(Pruner):
    """Prune a spiking network while it learns, by the activity of its own neurons.

    Each epoch gathers trace-based BCM plasticity of every synapse and dendritic spine plasticity of every
    neuron; survival functions decay where both are low, and what falls below zero is pruned for good.
    No pre-training, no retraining, no threshold on the weights. Source: Han et al. 2024, eq. 1 to 17
    (DPAP; IEEE TPAMI).

    The output layer classifies and is not pruned by survival functions. A pruned neuron (or channel) loses
    its incoming synapses, and with them its outgoing ones, which could not carry a spike any more: those
    of the output layer too.

    On top of the published method, the configuration can ask for a pruning rate or a budget, for a
    warm-up and a freeze, for floors, and for layers to be left out (:class:`dpap.DPAPConfig`).

    Parameters
    ----------
    network : Network or torch.nn.Module
        As for :class:`dpap.pruning.Pruner`. Forward passes in training mode are observed.
    config : DPAPConfig, optional
        Constants; by default the paper's.
    measure : callable, optional
        Measures the network as it would be deployed, where the target is a budget
        (:class:`dpap.pruning.Measure`): ``deploy.budget_meter(budget, inputs, labels)``. It is called at
        once, after every epoch, and, once the budget is due, for every choice of who dies.

    Attributes
    ----------
    steering : Steering or None
        Where there is a target; a :class:`dpap.pruning.BudgetSteering` where that is a measured budget.

    Raises
    ------
    InputError
        The network cannot be pruned, the configuration names a layer that it lacks, or its target is out of
        reach.
    """

    def __init__(self, network: nn.Module, config: DPAPConfig | None = None, measure: Measure | None = None):
        self.config = config or DPAPConfig()
        super().__init__(network, self.config.left_out)
        self.check_names("layers", self.config.layers, list(self.layers))
        self.steering = self._make_steering(measure)
        self._watches = [layer.block.watch(layer.observe) for layer in self.layers.values() if layer.watches]

    def _make_steering(self, measure: Measure | None) -> Steering | None:
        target, warm_up = self.config.target, self.config.schedule.warm_up
        if (target is not None and target.budget is not None) != (measure is not None):
            raise InputError(
                "a budget is measured on the compiled network: give both target.budget and"
                " measure=deploy.budget_meter(budget, inputs, labels), or neither"
            )
        if target is None:
            return None
        if measure is None:
            return Steering(target, warm_up, self.layers, self.sources)
        return BudgetSteering(target, warm_up, self.layers, self.sources, self.network, measure)

    def make_layer(self, block: Prunable, prunable: bool) -> DevelopingLayer:
        """A layer with survival functions, which takes over traces that its source has anyway."""
        sources = self.sources[block.name]
        source = self.layers.get(sources[0]) if len(sources) == 1 else None
        if source is not None and not hears_every_spike(self.network, block, source.block):
            source = None
        layer = DevelopingLayer(block, prunable, self.config, source)
        layer.hears_spikes = bool(sources)
        return layer

    @property
    def budget(self) -> BudgetSteering | None:
        """What steers to a measured budget, where there is one."""
        return self.steering if isinstance(self.steering, BudgetSteering) else None

    @property
    def frozen(self) -> bool:
        """Whether the structure is fixed from here on."""
        return self.config.schedule.frozen(self.epoch)

    def after_batch(self) -> None:
        """Take in the plasticity of the batch that was just learned (eq. 5 to 10)."""
        for layer in self.layers.values():
            if self.frozen:
                layer.drop_batch()
            else:
                layer.gather_batch()

    def develop(self) -> None:
        """Update the survival functions and prune (eq. 11 to 17)."""
        for layer in self.layers.values():
            layer.reduce()
        schedule = self.config.schedule
        settled = self.steering is not None and self.steering.settled(self.epoch)
        if self.steering is not None:
            self.steering.begin(self.epoch)
        if not (self.frozen or settled or schedule.warming_up(self.epoch)):
            self._prune()
        for layer in self.layers.values():
            layer.new_epoch()

    def _prune(self) -> None:
        layers = self.prunable_layers
        for layer in layers:
            layer.appraise()
        if self.steering is None:
            self._let_die()
        else:
            self._steer(self.steering)
        for layer in layers:
            layer.die()
        if self.steering is not None:
            self.steering.account()

    def _let_die(self, shift: float = 0.0) -> None:
        for layer in self.prunable_layers:
            shifts = (shift, shift) if self.steering is None else self.steering.shifts(layer.name, shift)
            layer.survive(self.epoch - self.config.schedule.warm_up, *shifts)
        self._keep_floors()

    def _steer(self, steering: Steering) -> None:
        before = {layer.name: layer.survival for layer in self.prunable_layers}
        while True:
            self._choose_dying(steering, before)
            if steering.accept(self.epoch):
                return
            self._restore(before)

    def _restore(self, survival: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        for layer in self.prunable_layers:
            layer.synapse_survival, layer.neuron_survival = survival[layer.name]

    def _choose_dying(self, steering: Steering, before: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        shift, more = steering.choose(self.epoch), 0.0
        while True:
            self._let_die(shift + more)
            steering.spare(self.epoch, others=more < MOST_SHIFT)
            if more >= MOST_SHIFT or not steering.falls_short(self.epoch):
                return
            # Floors kept others than was foreseen, or single units were too large: more have to die.
            more = 2 * more or LEAST_SHIFT
            self._restore(before)

    def _keep_floors(self) -> None:
        """Withdraw deaths that would leave a layer less than its floor, the highest survival first."""
        for layer in self.prunable_layers:
            left = int((layer.neuron_alive & ~layer.dying_neurons).sum())
            missing = layer.least_neurons - left
            layer.dying_neurons &= ~spare(layer.dying_neurons, layer.neuron_survival, missing)
        for layer in self.prunable_layers:
            if not self._spare_synapses(layer):
                self._spare_neurons_around(layer)

    def _spare_neurons_around(self, layer: DevelopingLayer) -> None:
        """Spare neurons on either side of a layer until those that live have synapses up to the floor."""
        for name in (layer.name, *self.sources[layer.name]):
            side = self.layers[name]
            count = 1
            while bool(side.dying_neurons.any()):
                side.dying_neurons &= ~spare(side.dying_neurons, side.neuron_survival, count)
                if self._spare_synapses(layer):
                    return
                count *= 2

    def _spare_synapses(self, layer: DevelopingLayer) -> bool:
        """Spare synapses between living neurons up to the floor; whether that was enough."""
        missing = layer.least_synapses - int(self._after(layer).sum())
        candidates = self._after(layer, with_dying=True) & layer.dying_synapses
        layer.dying_synapses &= ~spare(candidates, layer.synapse_survival, missing)
        return int(candidates.sum()) >= missing

    def _after(self, layer: DevelopingLayer, with_dying: bool = False) -> torch.Tensor:
        """Living synapses of a layer after the deaths that are noted, or with the dying ones among them."""

        def neurons(one: DevelopingLayer) -> torch.Tensor:
            return one.neuron_alive & ~one.dying_neurons

        alive = layer.synapse_alive if with_dying else layer.synapse_alive & ~layer.dying_synapses
        alive = alive & neurons(layer)[:, None]
        sources = [neurons(self.layers[name]) for name in self.sources[layer.name]]
        heard = presynaptic_life(layer.block, sources, neurons(layer))
        return alive if heard is None else alive & heard

    def state_dict(self) -> dict[str, Any]:
        """State of the pruner, for a checkpoint: tensors and plain values only."""
        steering = self.steering.state_dict() if self.steering is not None else None
        return super().state_dict() | {"steering": steering}

    def load_state_dict(self, state: Any) -> None:
        """Go on from a checkpoint of the same network and configuration."""
        if not isinstance(state, dict) or "steering" not in state:
            raise InputError("DPAP: the state lacks steering; it is of another pruner or another version")
        super().load_state_dict({name: value for name, value in state.items() if name != "steering"})
        if self.steering is not None:
            self.steering.load_state_dict(state["steering"])
