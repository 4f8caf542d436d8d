"""Stock SLAYER blocks as layers that a pruner can observe and mask."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from dpap.blocks import Addition
from dpap.blocks.block import GradientObserver, Observer
from dpap.errors import NetworkError
from dpap.slayer import graph
from dpap.slayer.bias import silence_pruned
from dpap.slayer.masking import joint_quantizer, masked_quantizer
from dpap.slayer.pool import MaxPool, SumPool
from dpap.slayer.stock import DELAY, blocks_of, is_stock, label, stock_kind

_KINDS = {"Conv": "conv", "Dense": "dense", "Recurrent": "dense"}
"""Kind of layer by stock class."""

_BETWEEN = ("Input", "Flatten", "Pool", "Average")
"""Stock blocks that keep channels apart, so that a silent channel stays silent behind them."""


class StockLayer:
    """A stock ``cuba.Conv``, ``cuba.Dense`` or ``cuba.Recurrent`` as a layer that can be pruned.

    It is a :class:`dpap.pruning.prunable.Prunable`. Its mask sits in the synapse's quantiser
    (:class:`dpap.slayer.MaskedQuantizer`); a neuron without a remaining synapse has no bias either. Activity
    is the block's output: with ``delay_shift`` and axonal delays as late as the next block receives it.

    To a pruner a Recurrent is a dense layer whose inputs are followed by its own spikes of the step before.

    Parameters
    ----------
    name : str
        As in ``conv1``.
    kind : str
        ``conv`` or ``dense``.
    block : nn.Module
        The stock block; its quantiser is replaced.

    Attributes
    ----------
    recurrent : bool
        Whether the block is a Recurrent.
    groups : int
        Groups of a convolution.
    """

    input_divisor = 1

    def __init__(self, name: str, kind: Literal["conv", "dense"], block: nn.Module):
        self.name, self.kind, self.block = name, kind, block
        self.recurrent = stock_kind(block) == "Recurrent"
        self.groups = 1 if self.recurrent else block.synapse.groups
        self._quantizer = joint_quantizer(block) if self.recurrent else masked_quantizer(block.synapse)
        silence_pruned(block.neuron, self._quantizer)

    @property
    def weight(self) -> torch.Tensor:
        """The synapse's weight, ``(post, pre / groups, height, width, 1)``.

        That of a Recurrent is made of both synapses', ``(post, pre + post, 1, 1, 1)``.
        """
        if self.recurrent:
            return torch.cat([self.block.input_synapse.weight, self.block.recurrent_synapse.weight], 1)
        return self.block.synapse.weight

    @property
    def mask(self) -> torch.Tensor:
        """The mask, ``(post, pre / groups, 1, 1, 1)``."""
        return self._quantizer.mask

    def watch(self, observer: Observer) -> Callable[[], None]:
        """Show every forward pass in training to ``observer``; the result ends that."""

        def after_forward(block: nn.Module, arguments: tuple, output: torch.Tensor) -> None:
            if block.training:
                inputs, activity = _time_major(arguments[0]), _time_major(output)
                if self.recurrent:
                    inputs = torch.cat([inputs, self._own_spikes(activity)], 2)
                observer(inputs, activity)

        return self.block.register_forward_hook(after_forward).remove

    def watch_gradient(self, observer: GradientObserver, wanted: Callable[[], bool]) -> Callable[[], None]:
        """Show the gradient of the masked weight in training, where it is wanted; the result ends that."""

        def after_forward(quantizer: nn.Module, arguments: tuple, output: torch.Tensor) -> None:
            # The quantiser passes the gradient straight through, so that of its output is that of its input.
            if quantizer.training and output.requires_grad and wanted():
                output.register_hook(observer)

        return self._quantizer.register_forward_hook(after_forward).remove

    def _own_spikes(self, activity: torch.Tensor) -> torch.Tensor:
        """The recurrent input of a layer, time-major: its own spikes, a step late."""
        if self.block.delay_shift:
            return activity
        received = activity.roll(1, dims=0)
        received[:1] = 0
        return received


def _time_major(activity: torch.Tensor) -> torch.Tensor:
    return activity.detach().movedim(-1, 0)


def stock_layers(network: nn.Module) -> list[StockLayer]:
    """The ``cuba.Conv``, ``cuba.Dense`` and ``cuba.Recurrent`` blocks of a network, in order.

    Between them there may be stock Input, Flatten, Pool and Average, delays, additions, and modules without
    parameters. The blocks are taken to follow each other, except in a :class:`dpap.slayer.Graph`.

    The network's ``state_dict`` gains a mask for each, such as ``0.synapse._pre_hook_fx.mask``; a recurrent
    block's is in its ``input_synapse`` for both synapses.

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
    found = blocks_of(network)
    names, sources = graph.layer_names(found), graph.sources_in(network, len(found))
    channels: dict[int, int | None] = {graph.INPUT: None}
    for index, block in enumerate(found):
        where = label(index, block)
        channels[index] = channels[sources[index][0]]
        if index in names:
            _check_fit(block, channels[index], where)
            channels[index] = _synapse(block).out_channels
        elif not _keeps_channels(block):
            raise NetworkError(
                f"{where} cannot be pruned; use cuba.Conv, cuba.Dense and cuba.Recurrent, with cuba.Input,"
                " cuba.Flatten, cuba.Pool, dpap.slayer.SumPool or modules without parameters between them"
            )
    if not names:
        raise NetworkError("the network has no cuba.Conv, cuba.Dense or cuba.Recurrent block to prune")
    return [StockLayer(name, _KINDS[stock_kind(found[index])], found[index]) for index, name in names.items()]


def _keeps_channels(block: nn.Module) -> bool:
    return (
        stock_kind(block) in _BETWEEN
        or isinstance(block, (SumPool, MaxPool, Addition))
        or is_stock(block, DELAY)
        or next(block.parameters(), None) is None
    )


def _synapse(block: nn.Module) -> nn.Module:
    return block.input_synapse if stock_kind(block) == "Recurrent" else block.synapse


def _check_fit(block: nn.Module, channels: int | None, where: str) -> None:
    synapse = _synapse(block)
    if block.count_log:
        raise NetworkError(f"{where} has count_log=True, so its output is a pair; set count_log=False")
    if stock_kind(block) == "Recurrent" and block.delay is not None:
        raise NetworkError(
            f"{where} delays its spikes, so its recurrent input cannot be observed: make it with delay=False,"
            " and a slayer.axon.Delay behind"
        )
    if channels is not None and synapse.in_channels % channels:
        raise NetworkError(
            f"{where} takes {synapse.in_channels} inputs, which are no multiple of the {channels} neurons or"
            " channels of the block before: blocks must follow each other in `blocks`"
        )
