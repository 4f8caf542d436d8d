"""The result of a conversion: the network, and the layer of each stock block."""

from dataclasses import dataclass

from torch import nn

from dpap.networks import Network


@dataclass(frozen=True)
class Stage:
    """The layer of a stock block in the converted network.

    Attributes
    ----------
    sent : str
        The layer whose output is the block's before axonal delays; :data:`dpap.networks.INPUT` where the
        block passes on the network's input.
    output : str
        The layer whose output is the block's, delays included. The same as ``sent`` where it has none.
    lag : int
        Steps that the block's output comes late by ``delay_shift``, of its own and of the blocks before.
    unit : float
        Whole messages that an output of 1 stands for; 1 where blocks send spikes.
    """

    sent: str
    output: str
    lag: int = 0
    unit: float = 1


@dataclass(frozen=True, eq=False)
class Conversion:
    """A network made from stock blocks.

    Attributes
    ----------
    network : Network
    blocks : list of nn.Module
        The stock blocks, in order.
    labels : list of str
        Each block's name in messages, such as ``block 2 (cuba.Dense)``.
    sources : tuple of tuple of int
        For each block the places of those that it takes its inputs from, as in a
        :class:`dpap.slayer.Graph`.
    stages : list of Stage
        One for each block.
    input_step : float
        What the stock network takes for an input of 1: 1, or the step of a ``sigma_delta.Input``.
    """

    network: Network
    blocks: list[nn.Module]
    labels: list[str]
    sources: tuple[tuple[int, ...], ...]
    stages: list[Stage]
    input_step: float = 1

    @property
    def lag(self) -> int:
        """Steps that the latest block comes late."""
        return max((stage.lag for stage in self.stages), default=0)
