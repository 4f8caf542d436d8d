"""The interface of layers that can be pruned."""

from collections.abc import Callable
from typing import Literal, Protocol

import torch

from dpap.blocks.block import GradientObserver, Observer
from dpap.networks import Network
from dpap.slayer import stock_layers


class Prunable(Protocol):
    """A layer of synapses and neurons that can be observed and masked.

    :class:`dpap.blocks.SynapticBlock` is one; :class:`dpap.slayer.StockLayer` makes one of a stock SLAYER
    block.

    Attributes
    ----------
    name : str
        Name of the layer, as in ``conv1``.
    kind : str
        ``conv`` or ``dense``.
    weight : Tensor of shape (post, pre, ...)
        Its shape and device count.
    mask : Tensor of shape (post, pre) or (post, pre, 1, ...)
        1 where a synapse (or kernel) is alive, 0 where it is pruned. Written in place; it holds in every
        forward pass from then on.
    input_divisor : int
        Input that stands for the real input 1.
    """

    name: str
    kind: Literal["conv", "dense"]
    input_divisor: int

    @property
    def weight(self) -> torch.Tensor:
        """Weights, outputs first."""

    @property
    def mask(self) -> torch.Tensor:
        """The mask itself, not a copy."""

    def watch(self, observer: Observer) -> Callable[[], None]:
        """Show inputs ``(T or 1, N, *shape)`` and activity ``(T, N, *shape)`` of training to ``observer``.

        Returns
        -------
        callable
            Ends the observation; to be called once.
        """

    def watch_gradient(self, observer: GradientObserver, wanted: Callable[[], bool]) -> Callable[[], None]:
        """Show the gradient of the masked weight, pruned synapses included, to ``observer`` in training.

        Parameters
        ----------
        observer : callable
            Is given it in every backward pass, of the weight's shape.
        wanted : callable
            Is asked in each forward pass; a pass that is not wanted costs nothing.

        Returns
        -------
        callable
            Ends it; to be called once.
        """


def prunable_layers(network: torch.nn.Module) -> list[Prunable]:
    """The layers of a :class:`dpap.networks.Network`, or of a network of stock SLAYER blocks, in order.

    Raises
    ------
    InputError
        The network is of neither kind, or has a layer that cannot be pruned.
    """
    if isinstance(network, Network):
        return [block for block in network.synaptic_blocks() if getattr(block, "prunable", True)]
    return stock_layers(network)
