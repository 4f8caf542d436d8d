"""DPAP: developmental plasticity-inspired adaptive pruning."""

import torch

from dpap.errors import InputError
from dpap.pruning.config import DPAPConfig
from dpap.pruning.layer import DevelopingLayer
from dpap.pruning.prunable import prunable_layers


class DPAP:
    """Prune a spiking network while it learns, by the activity of its own neurons.

    Each epoch gathers trace-based BCM plasticity of every synapse and dendritic spine plasticity of every
    neuron; survival functions decay where both are low, and what falls below zero is pruned for good.
    No pre-training, no retraining, no threshold on the weights. Source: Han et al. 2024, eq. 1 to 17
    (DPAP; IEEE TPAMI).

    The output layer classifies and is not pruned by survival functions. A pruned neuron (or channel) loses
    its incoming synapses, and with them its outgoing ones, which could not carry a spike any more: those
    of the output layer too.

    Use in a training loop::

        pruner = dpap.DPAP(network)
        for epoch in range(epochs):
            for inputs, labels in batches:
                ...  # forward, backward, optimizer.step()
                pruner.after_batch()
            pruner.after_epoch()

    Parameters
    ----------
    network : Network or torch.nn.Module
        The network, or one of stock SLAYER blocks (:func:`dpap.slayer.stock_layers` says which). Its layers'
        masks are set here. Forward passes in training mode are observed.
    config : DPAPConfig, optional
        Constants; by default the paper's.

    Attributes
    ----------
    epoch : int
        Epochs completed.

    Raises
    ------
    InputError
        The network is of neither kind, or has a layer that cannot be pruned.
    """

    def __init__(self, network: torch.nn.Module, config: DPAPConfig | None = None):
        blocks = prunable_layers(network)
        self.network = network
        self.config = config or DPAPConfig()
        self.epoch = 0
        self.layers: dict[str, DevelopingLayer] = {}
        layer = None
        for block in blocks:
            layer = DevelopingLayer(block, self.config, prunable=block is not blocks[-1], source=layer)
            self.layers[block.name] = layer
        self._watches = [layer.block.watch(layer.observe) for layer in self.layers.values() if layer.prunable]

    def after_batch(self) -> None:
        """Take in the plasticity of the batch that was just learned (eq. 5 to 10)."""
        for layer in self.layers.values():
            layer.gather_batch()

    def after_epoch(self) -> None:
        """Update the survival functions, prune, and set the masks (eq. 11 to 17)."""
        for layer in self.layers.values():
            if layer.prunable:
                layer.develop(self.epoch)
        self.epoch += 1
        self.apply_masks()

    @torch.no_grad()
    def apply_masks(self) -> None:
        """Set each block's mask to its living synapses, between living neurons on both sides."""
        pre_alive = None
        for layer in self.layers.values():
            block = layer.block
            alive = layer.synapse_alive & layer.neuron_alive[:, None]
            if pre_alive is not None:
                # A dense layer has several inputs from each channel of a convolution: its positions.
                positions = alive.shape[1] // len(pre_alive)
                alive = alive & pre_alive.repeat_interleave(positions)
            block.mask.copy_(alive.view(block.mask.shape))
            pre_alive = layer.neuron_alive

    @property
    def pruning_rates(self) -> dict[str, float]:
        """Synapses removed over synapses at the start, 0 to 1, for each layer."""
        return {name: 1 - layer.block.mask.mean().item() for name, layer in self.layers.items()}

    @property
    def pruning_rate(self) -> float:
        """Synapses removed over synapses at the start, 0 to 1, of the whole network (output included)."""
        kept = total = 0.0
        for layer in self.layers.values():
            weights = layer.block.weight.numel()
            kept += layer.block.mask.mean(dtype=torch.float64).item() * weights
            total += weights
        return 1 - kept / total

    @property
    def neurons_pruned(self) -> dict[str, float]:
        """Neurons (channels in convolutions) removed over neurons at the start, for each layer."""
        return {name: 1 - layer.neuron_alive.float().mean().item() for name, layer in self.layers.items()}

    def remove(self) -> None:
        """Stop observing the network; masks stay."""
        while self._watches:
            self._watches.pop()()

    def state_dict(self) -> dict:
        """State of the pruner, for a checkpoint: tensors and numbers only."""
        layers = {name: layer.state_dict() for name, layer in self.layers.items()}
        return {"epoch": self.epoch, "config": self.config.model_dump(), "layers": layers}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint of the same network and configuration."""
        if DPAPConfig(**state["config"]) != self.config:
            raise InputError("this checkpoint was made with another DPAPConfig; build DPAP with that one")
        if set(state["layers"]) != set(self.layers):
            raise InputError(
                f"this checkpoint has the layers {sorted(state['layers'])}; the network {sorted(self.layers)}"
            )
        self.epoch = int(state["epoch"])
        for name, layer in self.layers.items():
            layer.load_state_dict(state["layers"][name])
        self.apply_masks()
