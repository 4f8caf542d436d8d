"""DPAP: developmental plasticity-inspired adaptive pruning."""

from typing import Any

import torch
from torch import nn

from dpap.errors import InputError
from dpap.pruning.config import DPAPConfig
from dpap.pruning.developing import DevelopingLayer
from dpap.pruning.floor import spare
from dpap.pruning.prunable import Prunable
from dpap.pruning.pruner import Pruner
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

    On top of the published method, the configuration can ask for a pruning rate or a budget of SynOps, for a
    warm-up and a freeze, for floors, and for layers to be left out (:class:`dpap.DPAPConfig`).

    Parameters
    ----------
    network : Network or torch.nn.Module
        As for :class:`dpap.pruning.Pruner`. Forward passes in training mode are observed.
    config : DPAPConfig, optional
        Constants; by default the paper's.

    Attributes
    ----------
    steering : Steering or None
        Where there is a target.

    Raises
    ------
    InputError
        The network cannot be pruned, the configuration names a layer that it lacks, or its target is out of
        reach.
    """

    def __init__(self, network: nn.Module, config: DPAPConfig | None = None):
        self.config = config or DPAPConfig()
        super().__init__(network, self.config.left_out)
        self.check_names("layers", self.config.layers, list(self.layers))
        target = self.config.target
        self.steering = (
            Steering(target, self.config.schedule.warm_up, self.layers, self.sources) if target else None
        )
        self._watches = [layer.block.watch(layer.observe) for layer in self.layers.values() if layer.watches]

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
        if not (self.frozen or settled or schedule.warming_up(self.epoch)):
            self._prune()
        for layer in self.layers.values():
            layer.new_epoch()

    def _prune(self) -> None:
        layers = self.prunable_layers
        for layer in layers:
            layer.appraise()
        if self.steering is None:
            self._let_die(0.0)
        else:
            self._steer(self.steering)
        for layer in layers:
            layer.die()
        if self.steering is not None:
            self.steering.account()

    def _let_die(self, shift: float) -> None:
        for layer in self.prunable_layers:
            layer.survive(self.epoch - self.config.schedule.warm_up, shift)
        self._keep_floors()

    def _steer(self, steering: Steering) -> None:
        before = {layer.name: layer.survival for layer in self.prunable_layers}
        shift, more = steering.choose(self.epoch), 0.0
        while True:
            self._let_die(shift + more)
            steering.spare(self.epoch, others=more < MOST_SHIFT)
            if more >= MOST_SHIFT or not steering.falls_short(self.epoch):
                return
            # Floors kept others than was foreseen, or single units were too large: more have to die.
            more = 2 * more or LEAST_SHIFT
            for layer in self.prunable_layers:
                layer.synapse_survival, layer.neuron_survival = before[layer.name]

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
