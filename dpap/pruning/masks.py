"""Masks as files, and on other networks of the same shape."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dpap.errors import InputError
from dpap.files.arrays import load_arrays, save_arrays
from dpap.networks.builder import MAX_NEURONS
from dpap.pruning.prunable import prunable_layers
from dpap.pruning.sources import alive_synapses, source_names

Masks = Mapping[str, torch.Tensor]
"""Remaining synapses of each layer, by name: bool Tensors of shape (post, pre / groups)."""

_HEADER = 1 << 16
"""Bytes that an array may have besides its values."""


def network_masks(network: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of a network's masks."""
    return {block.name: block.mask.flatten(1) != 0 for block in prunable_layers(network)}


def alive_masks(network: nn.Module) -> dict[str, torch.Tensor]:
    """A network's masks without the synapses that come from neurons which have none left themselves."""
    blocks = {block.name: block for block in prunable_layers(network)}
    masks = network_masks(network)
    alive_masks = {name: (mask, mask.any(1)) for name, mask in masks.items()}
    return alive_synapses(blocks, source_names(network, list(blocks.values())), alive_masks)


def check_masks(masks: Masks, network: nn.Module) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless the masks are of a network of this shape."""
    shapes = {block.name: tuple(block.weight.shape[:2]) for block in prunable_layers(network)}
    if set(masks) != set(shapes):
        raise InputError(f"these masks are of the layers {sorted(masks)}; the network has {sorted(shapes)}")
    for name, mask in masks.items():
        if tuple(mask.shape) != shapes[name] or mask.dtype != torch.bool:
            raise InputError(
                f"the mask of {name} has shape {tuple(mask.shape)} and type {mask.dtype}; expected"
                f" {shapes[name]} (post, pre) and torch.bool"
            )


@torch.no_grad()
def set_masks(network: nn.Module, masks: Masks) -> None:
    """Put masks on a network of the same shape; a pruner that is made of it then starts from them.

    Raises
    ------
    InputError
        Layers or shapes differ. Nothing has been changed then.
    """
    check_masks(masks, network)
    for block in prunable_layers(network):
        block.mask.copy_(masks[block.name].view(block.mask.shape))


def save_masks(path: str | Path, masks: Masks) -> None:
    """Write masks as a compressed NumPy archive, one bool array (post, pre) a layer; whole or not at all.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    save_arrays(path, {name: mask.cpu().numpy().astype(np.bool_) for name, mask in masks.items()})


def load_masks(path: str | Path) -> dict[str, torch.Tensor]:
    """Read what :func:`save_masks` wrote; nothing in the file is executed.

    Raises
    ------
    InputError
        The file is missing, damaged, too large, or holds anything but bool arrays of two dimensions.
    """
    arrays = load_arrays(path, MAX_NEURONS + _HEADER, "masks")
    for name, array in arrays.items():
        if array.dtype != np.bool_ or array.ndim != 2:
            raise InputError(
                f"{path}: {name} is of type {array.dtype} with {array.ndim} dimensions; expected bool with 2"
            )
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
