r"""Regeneration of pruned synapses by a persistent growth signal.

The growth signal of a synapse is the gradient of the loss with respect to the weight that takes effect, the
one behind the mask, so that a pruned synapse has one too. Summed over an epoch and taken by magnitude over a
kernel,

.. math::
    G = \sum_{\text{kernel}} \Big| \sum_{\text{batches}} \frac{\partial L}{\partial (w \cdot mask)} \Big|,

it says how far the epoch's steps would have taken the weight from zero. A pruned synapse whose signal is
among the strongest :math:`100 - g` percent of its layer for more than N epochs in a row comes back, with a
weight of zero. :math:`g` rises, so that the structure settles:

.. math::
    g = \min(g_0 + 1.1^x, 99)

with :math:`x` the epochs since neurons are pruned. Source: Han et al. 2023 (SD-SNN) and its authors' code,
with :math:`g_0` = 65 in convolutions and 60 elsewhere. There pruned weights stay in the network until the end
of an epoch, and their signal is the signed weight that the optimiser has made of zero; ``excitatory`` takes
that sign, :math:`-\sum \partial L`, summed over the kernel.
"""

import torch

from dpap.pruning.selection import kth_smallest


def percentile_of_growth(elapsed: int, start: float, base: float, most: float) -> float:
    """:math:`g` in percent, ``min(start + base**elapsed, most)``."""
    try:
        return min(start + base**elapsed, most)
    except OverflowError:
        return most


def growth_strength(gradient: torch.Tensor, excitatory: bool = False) -> torch.Tensor:
    """Growth signals ``(post, pre)`` from summed gradients ``(post, pre, ...)``."""
    grown = -gradient if excitatory else gradient.abs()
    return grown.flatten(2).sum(2) if gradient.dim() > 2 else grown


def strongest(strength: torch.Tensor, percentile: float) -> torch.Tensor:
    """Whether each signal is above the percentile of its layer; at most ``100 - percentile`` percent are."""
    values = strength.flatten()
    rank = max(1, int(len(values) * percentile / 100))
    return strength > kth_smallest(values, rank)
