"""Masks of stock synapses that hold in every pass."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn


class MaskedQuantizer(nn.Module):
    """The quantiser of a stock synapse (its ``pre_hook_fx``), with pruned weights at zero.

    SLAYER passes the weight through this hook in every forward pass and in its HDF5 export, after weight
    norm. So a mask here is never stale, works with weight norm, and gives a pruned weight no gradient;
    SLAYER's own ``mask=`` has no effect under weight norm.

    Parameters
    ----------
    quantize : callable or None
        What the synapse had before; None quantises nothing.
    weight : Tensor of shape (post, pre, ...)
        Its shape and device are the mask's.

    Attributes
    ----------
    mask : Tensor of shape (post, pre, 1, 1, 1)
        A buffer: it is in the network's ``state_dict``, since weights without it are another network. That of
        a recurrent block's input synapse is ``(post, pre + post, 1, 1, 1)``, with the recurrent synapse's
        behind (:class:`RecurrentQuantizer`).
    """

    def __init__(self, quantize: Callable | None, weight: torch.Tensor):
        super().__init__()
        self.quantize = quantize
        kernel = (1,) * (weight.dim() - 2)
        self.register_buffer("mask", torch.ones(*weight.shape[:2], *kernel, device=weight.device))

    def alive(self, weight: torch.Tensor) -> torch.Tensor:
        """The mask of the weight, ``(post, pre)``."""
        return self.mask.flatten(1)[:, : weight.shape[1]]

    def forward(self, weight: torch.Tensor, descale: bool = False) -> torch.Tensor:
        """Mask, then quantise; ``descale`` asks for integers, as SLAYER's export does."""
        return _quantize_masked(self, weight, descale)


@dataclass(eq=False)
class RecurrentQuantizer:
    """The same for the recurrent synapse of a block, whose mask is part of the input synapse's.

    Attributes
    ----------
    quantize : callable or None
        What the synapse had before.
    joint : MaskedQuantizer
        That of the input synapse.
    """

    quantize: Callable | None
    joint: MaskedQuantizer

    def alive(self, weight: torch.Tensor) -> torch.Tensor:
        """The mask of the weight, ``(post, post)``."""
        return self.joint.mask.flatten(1)[:, -weight.shape[1] :]

    def __call__(self, weight: torch.Tensor, descale: bool = False) -> torch.Tensor:
        """Mask, then quantise."""
        return _quantize_masked(self, weight, descale)


def _quantize_masked(
    masked: MaskedQuantizer | RecurrentQuantizer, weight: torch.Tensor, descale: bool
) -> torch.Tensor:
    alive = masked.alive(weight)
    # SLAYER shows the recurrent weight as a matrix, all others with a kernel.
    weight = weight * alive.reshape(*alive.shape, *(1,) * (weight.dim() - 2))
    if masked.quantize is None:
        return weight
    return masked.quantize(weight, descale=True) if descale else masked.quantize(weight)


def masked_quantizer(synapse: nn.Module) -> MaskedQuantizer:
    """The masked quantiser of a stock synapse, installed if it has none yet."""
    if not isinstance(synapse.pre_hook_fx, MaskedQuantizer):
        # Not by the property `pre_hook_fx`: torch would register a module of that name and bypass it.
        synapse._pre_hook_fx = MaskedQuantizer(synapse.pre_hook_fx, synapse.weight)
    return synapse.pre_hook_fx


def joint_quantizer(block: nn.Module) -> MaskedQuantizer:
    """The masked quantiser of both synapses of a stock recurrent block, installed if it has none yet."""
    inputs, recurrent = block.input_synapse, block.recurrent_synapse
    if not isinstance(recurrent.pre_hook_fx, RecurrentQuantizer):
        both = torch.cat([inputs.weight, recurrent.weight], 1).detach()
        joint = MaskedQuantizer(inputs.pre_hook_fx, both)
        inputs._pre_hook_fx = joint
        recurrent._pre_hook_fx = RecurrentQuantizer(recurrent.pre_hook_fx, joint)
    return inputs.pre_hook_fx
