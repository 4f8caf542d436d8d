"""DPAP: developmental plasticity-inspired adaptive pruning."""

from typing import Any

import torch
from torch import nn

from dpap.errors import InputError
from dpap.errors.renamed import old_arguments, old_property
from dpap.pruning.budget_controller import BudgetController
from dpap.pruning.config import DPAPConfig
from dpap.pruning.cost_reading import CostFunction
from dpap.pruning.dpap_layer_state import DPAPLayerState
from dpap.pruning.floor import keep_highest
from dpap.pruning.prunable import Prunable
from dpap.pruning.pruner import Pruner
from dpap.pruning.sources import presynaptic_alive, receives_every_spike
from dpap.pruning.target_controller import TargetController

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
        Constants; by default those of ``DPAPConfig()``.
    cost_function : callable, optional
        Measures the network as it would be deployed, where the target is a budget
        (:class:`dpap.pruning.CostFunction`): ``deploy.budget_cost_function(budget, inputs, labels)``. It is
        called at once, after every epoch, and, once the budget is due, for every choice of units to prune.

    Attributes
    ----------
    controller : TargetController or None
        Where there is a target; a :class:`dpap.pruning.BudgetController` where that is a measured budget.

    Raises
    ------
    InputError
        The network cannot be pruned, the configuration names a layer that it lacks, or its target is out of
        reach.
    """

    @old_arguments(measure="cost_function")  # old name
    def __init__(
        self, network: nn.Module, config: DPAPConfig | None = None, cost_function: CostFunction | None = None
    ):
        self.config = config or DPAPConfig()
        super().__init__(network, self.config.left_out)
        self.check_names("layers", self.config.layers, list(self.layers))
        self.controller = self._make_controller(cost_function)
        self._watches = [layer.block.watch(layer.observe) for layer in self.layers.values() if layer.watches]

    def _make_controller(self, cost_function: CostFunction | None) -> TargetController | None:
        target, warm_up = self.config.target, self.config.schedule.warm_up
        if (target is not None and target.budget is not None) != (cost_function is not None):
            raise InputError(
                "a budget is measured on the compiled network: give both target.budget and"
                " cost_function=deploy.budget_cost_function(budget, inputs, labels), or neither"
            )
        if target is None:
            return None
        if cost_function is None:
            return TargetController(target, warm_up, self.layers, self.sources)
        return BudgetController(target, warm_up, self.layers, self.sources, self.network, cost_function)

    def make_layer(self, block: Prunable, prunable: bool) -> DPAPLayerState:
        """A layer with survival functions, which takes over traces that its source has anyway."""
        sources = self.sources[block.name]
        source = self.layers.get(sources[0]) if len(sources) == 1 else None
        if source is not None and not receives_every_spike(self.network, block, source.block):
            source = None
        layer = DPAPLayerState(block, prunable, self.config, source)
        layer.receives_spikes = bool(sources)
        return layer

    steering = old_property("steering", "controller")  # old name

    @property
    def budget(self) -> BudgetController | None:
        """The controller of a measured budget, where there is one."""
        return self.controller if isinstance(self.controller, BudgetController) else None

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
        settled = self.controller is not None and self.controller.settled(self.epoch)
        if self.controller is not None:
            self.controller.begin(self.epoch)
        if not (self.frozen or settled or schedule.warming_up(self.epoch)):
            self._prune()
        for layer in self.layers.values():
            layer.new_epoch()

    def _prune(self) -> None:
        layers = self.prunable_layers
        for layer in layers:
            layer.appraise()
        if self.controller is None:
            self._mark()
        else:
            self._prune_to_target(self.controller)
        for layer in layers:
            layer.prune()
        if self.controller is not None:
            self.controller.account()

    def _mark(self, shift: float = 0.0) -> None:
        for layer in self.prunable_layers:
            shifts = (shift, shift) if self.controller is None else self.controller.shifts(layer.name, shift)
            layer.survive(self.epoch - self.config.schedule.warm_up, *shifts)
        self._keep_floors()

    def _prune_to_target(self, controller: TargetController) -> None:
        before = {layer.name: layer.survival for layer in self.prunable_layers}
        while True:
            self._choose_to_prune(controller, before)
            if controller.accept(self.epoch):
                return
            self._restore(before)

    def _restore(self, survival: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        for layer in self.prunable_layers:
            layer.synapse_survival, layer.neuron_survival = survival[layer.name]

    def _choose_to_prune(
        self, controller: TargetController, before: dict[str, tuple[torch.Tensor, torch.Tensor]]
    ) -> None:
        shift, more = controller.choose(self.epoch), 0.0
        while True:
            self._mark(shift + more)
            controller.limit_pruning(self.epoch, others=more < MOST_SHIFT)
            if more >= MOST_SHIFT or not controller.falls_short(self.epoch):
                return
            # Floors kept others than was predicted, or single units were too large: prune more.
            more = 2 * more or LEAST_SHIFT
            self._restore(before)

    def _keep_floors(self) -> None:
        """Keep what would leave a layer less than its floor, the highest survival functions first."""
        for layer in self.prunable_layers:
            left = int((layer.neuron_alive & ~layer.neurons_to_prune).sum())
            missing = layer.least_neurons - left
            layer.neurons_to_prune &= ~keep_highest(layer.neurons_to_prune, layer.neuron_survival, missing)
        for layer in self.prunable_layers:
            if not self._keep_synapses(layer):
                self._keep_neurons_around(layer)

    def _keep_neurons_around(self, layer: DPAPLayerState) -> None:
        """Keep neurons on either side of a layer until those that remain have synapses up to the floor."""
        for name in (layer.name, *self.sources[layer.name]):
            side = self.layers[name]
            count = 1
            while bool(side.neurons_to_prune.any()):
                side.neurons_to_prune &= ~keep_highest(side.neurons_to_prune, side.neuron_survival, count)
                if self._keep_synapses(layer):
                    return
                count *= 2

    def _keep_synapses(self, layer: DPAPLayerState) -> bool:
        """Keep synapses between remaining neurons up to the floor; whether that was enough."""
        missing = layer.least_synapses - int(self._after(layer).sum())
        candidates = self._after(layer, with_marked=True) & layer.synapses_to_prune
        layer.synapses_to_prune &= ~keep_highest(candidates, layer.synapse_survival, missing)
        return int(candidates.sum()) >= missing

    def _after(self, layer: DPAPLayerState, with_marked: bool = False) -> torch.Tensor:
        """Synapses of a layer that remain after this epoch's pruning, or with the marked ones among them."""

        def neurons(one: DPAPLayerState) -> torch.Tensor:
            return one.neuron_alive & ~one.neurons_to_prune

        alive = layer.synapse_alive if with_marked else layer.synapse_alive & ~layer.synapses_to_prune
        alive = alive & neurons(layer)[:, None]
        sources = [neurons(self.layers[name]) for name in self.sources[layer.name]]
        received = presynaptic_alive(layer.block, sources, neurons(layer))
        return alive if received is None else alive & received

    def state_dict(self) -> dict[str, Any]:
        """State of the pruner, for a checkpoint: tensors and plain values only."""
        controller = self.controller.state_dict() if self.controller is not None else None
        return super().state_dict() | {"steering": controller}

    def load_state_dict(self, state: Any) -> None:
        """Restore a state of the same network and configuration."""
        if not isinstance(state, dict) or "steering" not in state:
            raise InputError("DPAP: the state lacks steering; it is of another pruner or another version")
        super().load_state_dict({name: value for name, value in state.items() if name != "steering"})
        if self.controller is not None:
            self.controller.load_state_dict(state["steering"])
