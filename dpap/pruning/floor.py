"""Floors: the least that pruning leaves of every layer."""

import math

import torch
from pydantic import BaseModel, ConfigDict, Field

from dpap.pruning.layer import PrunedLayer


class FloorConfig(BaseModel):
    """The least that a pruner leaves of each layer that it prunes; the larger of number and share holds.

    With the defaults a layer is never emptied. With all of them at 0 it can be.

    Attributes
    ----------
    neurons, synapses : int
        Remaining neurons (channels in a convolution), and remaining synapses (kernels) between remaining
        neurons.
    neuron_share, synapse_share : float
        The same as a share of those at the start, 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    neurons: int = Field(1, ge=0)
    synapses: int = Field(1, ge=0)
    neuron_share: float = Field(0.0, ge=0, le=1)
    synapse_share: float = Field(0.0, ge=0, le=1)

    def least_neurons(self, layer: PrunedLayer) -> int:
        """Neurons that a layer keeps."""
        return _least(self.neurons, self.neuron_share, layer.neuron_alive.numel())

    def least_synapses(self, layer: PrunedLayer) -> int:
        """Synapses, or kernels, that a layer keeps."""
        return _least(self.synapses, self.synapse_share, layer.synapse_alive.numel())


def _least(number: int, share: float, total: int) -> int:
    return min(total, max(number, math.ceil(share * total)))


def keep_highest(to_prune: torch.Tensor, rank: torch.Tensor, count: int) -> torch.Tensor:
    """The ``count`` highest ranked of the units to prune.

    Parameters
    ----------
    to_prune : bool Tensor
    rank : Tensor of the same shape
        Higher is kept first; of equals, the earlier.
    count : int

    Returns
    -------
    bool Tensor of the same shape
        Units to keep; all of them where there are no more than ``count``.
    """
    kept = torch.zeros_like(to_prune)
    indices = to_prune.flatten().nonzero().squeeze(1)
    if count > 0 and len(indices):
        order = rank.flatten()[indices].argsort(descending=True, stable=True)
        kept.view(-1)[indices[order[:count]]] = True
    return kept
