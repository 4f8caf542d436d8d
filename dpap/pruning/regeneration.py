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

from collections.abc import Callable

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from dpap.errors import NetworkError
from dpap.pruning.prunable import Prunable
from dpap.slayer.layers import StockLayer

GradientObserver = Callable[[torch.Tensor], None]
"""Is given the gradient of the masked weight, of the weight's shape."""


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
    return strength > values.kthvalue(rank).values


def watch_gradient(
    block: Prunable, observer: GradientObserver, wanted: Callable[[], bool]
) -> Callable[[], None]:
    """Show the gradient of a layer's masked weight to ``observer`` in every backward pass in training.

    Parameters
    ----------
    block : Prunable
    observer : callable
    wanted : callable
        Is asked before each forward pass; a pass that is not wanted costs nothing.

    Returns
    -------
    callable
        Ends it; to be called once.
    """
    if isinstance(block, StockLayer):
        return _watch_quantizer(block, observer, wanted)
    return _watch_block(block, observer, wanted)


def _watch_quantizer(block: StockLayer, observer: GradientObserver, wanted) -> Callable[[], None]:
    def after(module, arguments, output):
        # The quantiser passes the gradient straight through, so that of its output is that of its input.
        if wanted() and module.training and output.requires_grad:
            output.register_hook(observer)

    return block._quantizer.register_forward_hook(after).remove


class _MaskedWeight(TorchFunctionMode):
    """While entered, shows the gradient of each product of a block's weight and mask to an observer."""

    def __init__(self, block: nn.Module, observer: GradientObserver):
        super().__init__()
        self.block, self.observer = block, observer
        self.found = False

    def __torch_function__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        if function in _PRODUCTS and len(arguments) == 2:
            factors = {id(argument) for argument in arguments}
            if factors == {id(self.block.weight), id(self.block.mask)} and result.requires_grad:
                result.register_hook(self.observer)
                self.found = True
        return result


_PRODUCTS = (torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__, torch.mul)


def _watch_block(block: nn.Module, observer: GradientObserver, wanted) -> Callable[[], None]:
    entered: list[_MaskedWeight] = []

    def before(module, arguments):
        if wanted() and module.training and torch.is_grad_enabled():
            entered.append(_MaskedWeight(module, observer))
            entered[-1].__enter__()

    def after(module, arguments, output):
        if entered:
            mode = entered.pop()
            mode.__exit__(None, None, None)
            if output is not None and not mode.found:
                raise NetworkError(
                    f"{module.name}: its forward pass does not multiply its weight with its mask, so that"
                    " pruned synapses have no growth signal; leave the layer out (left_out)"
                )

    handles = (
        block.register_forward_pre_hook(before),
        block.register_forward_hook(after, always_call=True),
    )

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove
