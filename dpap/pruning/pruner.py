"""The base class of DPAP, of SD-SNN, and of custom pruners."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from dpap.errors import InputError
from dpap.errors.renamed import old_property
from dpap.pruning.layer import PrunedLayer
from dpap.pruning.masks import Masks, check_masks
from dpap.pruning.prunable import Prunable, prunable_layers
from dpap.pruning.sources import AliveMasks, alive_synapses, source_names
from dpap.state import check_keys


class Pruner(ABC):
    """Decides which synapses and neurons of a network are kept, while it is trained.

    A subclass gives :meth:`develop`, which is called at the end of every epoch and writes
    ``synapse_alive`` and ``neuron_alive`` of the layers. The rest follows: masks, in which the outgoing
    synapses of a pruned neuron are absent too; rates; states for checkpoints. ``dpap/pruning/README.md``
    writes one in a few lines.

    Use in a training loop::

        for epoch in range(epochs):
            for inputs, labels in batches:
                ...  # forward, backward, optimizer.step()
                pruner.after_batch()
            pruner.after_epoch()

    Parameters
    ----------
    network : Network or torch.nn.Module
        The network, or one of stock SLAYER blocks (:func:`dpap.slayer.stock_layers` says which). Its layers'
        masks are set here; what they lack already stays pruned.
    left_out : tuple of str
        Layers that are not pruned, by name. The output layer, which classifies, is never pruned.

    Attributes
    ----------
    config : BaseModel or None
        Constants; part of the state.
    epoch : int
        Epochs completed.
    layers : dict of str to PrunedLayer
        In order.
    sources : dict of str to tuple of str
        The layers whose spikes reach each layer.

    Raises
    ------
    InputError
        The network is of neither kind, has a layer that cannot be pruned, or lacks one that is named.
    """

    config: BaseModel | None = None

    def __init__(self, network: nn.Module, left_out: tuple[str, ...] = ()):
        blocks = prunable_layers(network)
        self.network = network
        self.epoch = 0
        self.sources = source_names(network, blocks)
        self.layers: dict[str, Any] = {}
        self._watches: list[Callable[[], None]] = []
        self.check_names("left_out", left_out, [block.name for block in blocks])
        for block in blocks:
            prunable = block is not blocks[-1] and block.name not in left_out
            self.layers[block.name] = self.make_layer(block, prunable)

    @staticmethod
    def check_names(what: str, names: Any, known: list[str]) -> None:
        """Raise an :class:`~dpap.errors.InputError` unless all ``names`` are layers of the network."""
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise InputError(
                f"{what} names {', '.join(unknown)}; the network's layers are {', '.join(known)}"
            )

    def make_layer(self, block: Prunable, prunable: bool) -> PrunedLayer:
        """The state of one layer; a subclass that keeps more than alive masks makes its own kind."""
        return PrunedLayer(block, prunable)

    @abstractmethod
    def develop(self) -> None:
        """Write the alive masks after epoch ``self.epoch``, counted from 0."""

    def after_batch(self) -> None:  # noqa: B027 (a pruner that learns nothing from batches has nothing to do)
        """Take in the batch that was just learned."""

    @torch.no_grad()
    def after_epoch(self) -> None:
        """Develop, and set the masks."""
        self.develop()
        self.epoch += 1
        self.apply_masks()

    @property
    def budget(self) -> Any:
        """Controller of a measured budget (:class:`dpap.pruning.BudgetController`), where there is one."""
        return None

    @property
    def prunable_layers(self) -> list[Any]:
        """The layers that may be pruned."""
        return [layer for layer in self.layers.values() if layer.prunable]

    life = old_property("life", "alive_masks")  # old name

    @property
    def alive_masks(self) -> AliveMasks:
        """The alive masks of synapses and neurons, by layer."""
        return {name: (layer.synapse_alive, layer.neuron_alive) for name, layer in self.layers.items()}

    @property
    def masks(self) -> dict[str, torch.Tensor]:
        """The remaining synapses between remaining neurons: bool Tensors (post, pre / groups), by layer."""
        blocks = {name: layer.block for name, layer in self.layers.items()}
        return alive_synapses(blocks, self.sources, self.alive_masks)

    @torch.no_grad()
    def apply_masks(self) -> None:
        """Set each block's mask to its remaining synapses, between remaining neurons on both sides."""
        for name, alive in self.masks.items():
            mask = self.layers[name].block.mask
            mask.copy_(alive.view(mask.shape))

    @torch.no_grad()
    def load_masks(self, masks: Masks) -> None:
        """Start from these masks (:func:`dpap.pruning.load_masks`), of a network of the same shape.

        A neuron that has no synapse left is pruned.

        Raises
        ------
        InputError
            Layers or shapes differ.
        """
        check_masks(masks, self.network)
        for name, layer in self.layers.items():
            layer.synapse_alive.copy_(masks[name])
            layer.neuron_alive.copy_(masks[name].any(1))
        self.apply_masks()

    @property
    def pruning_rates(self) -> dict[str, float]:
        """Synapses removed over synapses at the start, 0 to 1, for each layer."""
        return {name: 1 - int(alive.sum()) / alive.numel() for name, alive in self.masks.items()}

    @property
    def pruning_rate(self) -> float:
        """Weights removed over weights at the start, 0 to 1, of the whole network (output included)."""
        kept = total = 0
        for name, alive in self.masks.items():
            kernel = self.layers[name].kernel
            kept += int(alive.sum()) * kernel
            total += alive.numel() * kernel
        return 1 - kept / total

    @property
    def neurons_pruned(self) -> dict[str, float]:
        """Neurons (channels in convolutions) removed over neurons at the start, for each layer."""
        return {
            name: 1 - int(layer.neuron_alive.sum()) / layer.neuron_alive.numel()
            for name, layer in self.layers.items()
        }

    def remove(self) -> None:
        """Stop observing the network; masks stay."""
        while self._watches:
            self._watches.pop()()

    def state_dict(self) -> dict[str, Any]:
        """State of the pruner, for a checkpoint: tensors and plain values only."""
        return {
            "epoch": self.epoch,
            "config": None if self.config is None else self.config.model_dump(mode="json"),
            "layers": {name: layer.state_dict() for name, layer in self.layers.items()},
        }

    @torch.no_grad()
    def load_state_dict(self, state: Any) -> None:
        """Restore a state of the same network and configuration.

        Raises
        ------
        InputError
            It is of another configuration, network or pruner; what does not fit is named.
        """
        name = type(self).__name__
        check_keys(state, {"epoch": None, "config": None, "layers": None}, name)
        self._check_config(state["config"])
        check_keys(state["layers"], self.layers, f"{name}, layers")
        epoch = state["epoch"]
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise InputError(f"{name}, epoch is {epoch!r}; expected a whole number, 0 or more")
        for layer_name, layer in self.layers.items():
            layer.load_state_dict(state["layers"][layer_name])
        self.epoch = epoch
        self.apply_masks()

    def _check_config(self, described: Any) -> None:
        kind = type(self.config)
        if self.config is None:
            return
        try:
            same = kind(**described) == self.config
        except (ValueError, TypeError) as error:
            raise InputError(f"this checkpoint's configuration is no {kind.__name__}: {error}") from error
        if not same:
            raise InputError(
                f"this checkpoint was made with another {kind.__name__}; build"
                f" {type(self).__name__} with that one"
            )
