"""Masks of stock synapses that hold in every pass."""

from collections.abc import Callable

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
        A buffer: it is in the network's ``state_dict``, since weights without it are another network.
    """

    def __init__(self, quantize: Callable | None, weight: torch.Tensor):
        super().__init__()
        self.quantize = quantize
        kernel = (1,) * (weight.dim() - 2)
        self.register_buffer("mask", torch.ones(*weight.shape[:2], *kernel, device=weight.device))

    def forward(self, weight: torch.Tensor, descale: bool = False) -> torch.Tensor:
        """Mask, then quantise; ``descale`` asks for integers, as SLAYER's export does."""
        masked = weight * self.mask
        if self.quantize is None:
            return masked
        return self.quantize(masked, descale=True) if descale else self.quantize(masked)


def masked_quantizer(synapse: nn.Module) -> MaskedQuantizer:
    """The masked quantiser of a stock synapse, installed if it has none yet."""
    if not isinstance(synapse.pre_hook_fx, MaskedQuantizer):
        # Not by the property `pre_hook_fx`: torch would register a module of that name and bypass it.
        synapse._pre_hook_fx = MaskedQuantizer(synapse.pre_hook_fx, synapse.weight)
    return synapse.pre_hook_fx
