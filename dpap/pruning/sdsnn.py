"""SD-SNN: synaptic constraint, neuronal pruning and regeneration."""

from typing import Any

import torch
from torch import nn

from dpap.pruning.neurotrophic import gain
from dpap.pruning.prunable import Prunable
from dpap.pruning.pruner import Pruner
from dpap.pruning.regeneration import percentile_of_growth
from dpap.pruning.sdsnn_config import SDSNNConfig
from dpap.pruning.sdsnn_layer_state import SDSNNLayerState
from dpap.pruning.sources import presynaptic_alive


class SDSNN(Pruner):
    r"""Develop a spiking network's structure both ways while it learns.

    Dendritic-spine ranges constrain the weights (:mod:`dpap.plasticity.ranges`); neurons whose ranges are
    the narrowest are pruned, more where few targets survive (:mod:`dpap.pruning.neurotrophic`); pruned
    synapses with a persistent growth signal come back (:mod:`dpap.pruning.regeneration`). After epoch
    :math:`e`, counted from 0, with the patience :math:`N`:

    ===================  ====================================================
    :math:`e = 0`        the ranges are set from the weights
    :math:`e \ge 1`      they widen and shrink
    :math:`e > N`        weights are clamped to them
    :math:`e > 2N`       synapses come back, then neurons are pruned
    ===================  ====================================================

    Source: Han et al. 2023 (arXiv 2211.12219) and its authors' code. The output layer is left as it is.

    Until the structure is frozen, outgoing synapses of a pruned neuron stay open in the blocks' masks:
    nothing arrives at them, and the error that flows back through them is the growth signal of that neuron.
    They are closed in :attr:`masks`, and do not count as alive in the pruning rates.

    Parameters
    ----------
    network : Network or torch.nn.Module
        As for :class:`dpap.pruning.Pruner`.
    config : SDSNNConfig, optional
        Constants; by default those of the authors' code.

    Raises
    ------
    InputError
        The network cannot be pruned, has weight norm, or lacks a layer that the configuration names.
    """

    def __init__(self, network: nn.Module, config: SDSNNConfig | None = None):
        self.config = config or SDSNNConfig()
        super().__init__(network, self.config.left_out)
        self.check_names("layers", self.config.layers, list(self.layers))
        self._watches = [
            layer.block.watch_gradient(layer.take_gradient, lambda: self.regenerating)
            for layer in self.prunable_layers
        ]

    def make_layer(self, block: Prunable, prunable: bool) -> SDSNNLayerState:
        """A layer with ranges and growth signals."""
        return SDSNNLayerState(block, prunable, self.config)

    @property
    def frozen(self) -> bool:
        """Whether the structure is fixed from here on."""
        return self.config.freeze is not None and self.epoch >= self.config.freeze

    @property
    def regenerating(self) -> bool:
        """Whether neurons are pruned and synapses come back after the epoch that runs."""
        return self.epoch > 2 * self.config.patience and not self.frozen

    def develop(self) -> None:
        """Constrain, regenerate and prune."""
        clamp = self.epoch > self.config.patience
        for layer in self.prunable_layers:
            if self.epoch == 0:
                layer.start_ranges()
            elif not self.frozen:
                layer.constrain(clamp)
            elif clamp:
                layer.clamp()
        if self.regenerating:
            self._restructure(self.epoch - 2 * self.config.patience - 1)

    def _restructure(self, elapsed: int) -> None:
        config = self.config
        for layer in self.prunable_layers:
            constants = layer.constants
            percentile = percentile_of_growth(
                elapsed, constants.growth_percentile, config.growth_base, config.growth_limit
            )
            sources = [self.layers[name].neuron_alive for name in self.sources[layer.name]]
            received = presynaptic_alive(layer.block, sources, torch.ones_like(layer.neuron_alive))
            layer.reduce()
            layer.regenerate(percentile, received)
            layer.new_epoch()
        for layer in self.prunable_layers:
            layer.prune_neurons()
        for layer in self.prunable_layers:
            self._adapt(layer, elapsed)

    def _adapt(self, layer: SDSNNLayerState, elapsed: int) -> None:
        constants = layer.constants
        targets = sum(
            other.alive() for name, other in self.layers.items() if layer.name in self.sources[name]
        )
        a = gain(elapsed, constants.gain, constants.gain_decay, constants.late_gain, constants.late_from)
        layer.percent = min(100.0, layer.percent + a * layer.alive() / max(1, targets))

    @torch.no_grad()
    def apply_masks(self) -> None:
        """Set each block's mask; see the class for synapses that come from pruned neurons."""
        if self.frozen:
            super().apply_masks()
            return
        for layer in self.layers.values():
            alive = layer.synapse_alive & layer.neuron_alive[:, None]
            layer.block.mask.copy_(alive.view(layer.block.mask.shape))

    @torch.no_grad()
    def load_masks(self, masks: Any) -> None:
        """Go on from these masks; neurons that they lack count as pruned once."""
        super().load_masks(masks)
        for layer in self.layers.values():
            layer.pruned_once |= ~layer.neuron_alive
