"""Stock SLAYER blocks as layers that a pruner can observe and mask."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from dpap.blocks.block import Observer
from dpap.errors import NetworkError
from dpap.slayer.masking import masked_quantizer
from dpap.slayer.pool import SumPool
from dpap.slayer.stock import blocks_of, label, stock_kind

_NAMES = {"Conv": ("conv", "conv"), "Dense": ("dense", "fc")}
"""Kind of layer and of name by stock class."""

_BETWEEN = ("Input", "Flatten", "Pool", "Average")
"""Stock blocks that keep channels apart, so that a silent channel stays silent behind them."""


class StockLayer:
    """A stock ``cuba.Conv`` or ``cuba.Dense`` as a :class:`dpap.pruning.prunable.Prunable` layer.

    Its mask sits in the synapse's quantiser (:class:`dpap.slayer.MaskedQuantizer`). Activity is the block's
    output: with ``delay_shift`` one step late, as the next block hears it.

    Parameters
    ----------
    name : str
        As in ``conv1``.
    kind : str
        ``conv`` or ``dense``.
    block : nn.Module
        The stock block; its quantiser is replaced.
    """

    input_divisor = 1

    def __init__(self, name: str, kind: Literal["conv", "dense"], block: nn.Module):
        self.name, self.kind, self.block = name, kind, block
        self._quantizer = masked_quantizer(block.synapse)

    @property
    def weight(self) -> torch.Tensor:
        """The synapse's weight, ``(post, pre, height, width, 1)``."""
        return self.block.synapse.weight

    @property
    def mask(self) -> torch.Tensor:
        """The mask, ``(post, pre, 1, 1, 1)``."""
        return self._quantizer.mask

    def watch(self, observer: Observer) -> Callable[[], None]:
        """Show every forward pass in training to ``observer``; the result ends that."""

        def after_forward(block, arguments, output):
            if block.training:
                observer(_time_major(arguments[0]), _time_major(output))

        return self.block.register_forward_hook(after_forward).remove


def _time_major(activity: torch.Tensor) -> torch.Tensor:
    return activity.detach().movedim(-1, 0)


def stock_layers(network: nn.Module) -> list[StockLayer]:
    """The ``cuba.Conv`` and ``cuba.Dense`` blocks of a network, in order.

    Between them may stand stock Input, Flatten, Pool and Average, and modules without parameters. The
    blocks are taken to follow each other.

    Parameters
    ----------
    network : nn.Module
        A Sequential or ModuleList of blocks, or a module with such ``blocks``. Nothing of it is changed
        where an error is raised.

    Raises
    ------
    InputError
        It has no blocks.
    NetworkError
        It has a block that cannot be pruned, named with its index, kind and what to do.
    """
    found, counts, channels = [], {}, None
    for index, block in enumerate(blocks_of(network)):
        where, kind = label(index, block), stock_kind(block)
        if kind in _NAMES:
            _check_fit(block, channels, where)
            layer_kind, name = _NAMES[kind]
            counts[name] = counts.get(name, 0) + 1
            found.append((f"{name}{counts[name]}", layer_kind, block))
            channels = block.synapse.out_channels
        elif not (kind in _BETWEEN or isinstance(block, SumPool) or next(block.parameters(), None) is None):
            raise NetworkError(
                f"{where} cannot be pruned; use cuba.Conv and cuba.Dense, with cuba.Input, cuba.Flatten,"
                " cuba.Pool, dpap.slayer.SumPool or modules without parameters between them"
            )
    if not found:
        raise NetworkError("the network has no cuba.Conv or cuba.Dense block; nothing to prune")
    return [StockLayer(*arguments) for arguments in found]


def _check_fit(block: nn.Module, channels: int | None, where: str) -> None:
    synapse = block.synapse
    if synapse.groups != 1:
        raise NetworkError(f"{where}: its groups are {synapse.groups}; DPAP prunes groups=1: train it so")
    if block.count_log:
        raise NetworkError(f"{where} has count_log=True, so its output is a pair; set count_log=False")
    if channels is not None and synapse.in_channels % channels:
        raise NetworkError(
            f"{where} takes {synapse.in_channels} inputs, which are no multiple of the {channels} neurons or"
            " channels of the block before: blocks must follow each other in `blocks`"
        )
