"""Stock blocks that do not follow each other in a chain."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from dpap import networks
from dpap.errors import NetworkError
from dpap.slayer.stock import stock_kind

INPUT = -1
"""Place of the network's input among the sources of a block."""

_PREFIXES = {"Conv": "conv", "Dense": "fc", "Recurrent": "fc"}


class Graph(nn.Module):
    """Stock blocks with residual connections, which a ``Sequential`` cannot say.

    Parameters
    ----------
    blocks : iterable of nn.Module
        In an order in which every block comes after its sources.
    sources : sequence of tuple of int
        For each block the places in ``blocks`` of those that it takes its inputs from;
        :data:`dpap.slayer.graph.INPUT` for the network's input.

    Raises
    ------
    NetworkError
        There are not as many sources as blocks, or a block would come before one of its sources.
    """

    def __init__(self, blocks: Iterable[nn.Module], sources: Sequence[tuple[int, ...]]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.sources = tuple(tuple(places) for places in sources)
        if len(self.sources) != len(self.blocks):
            raise NetworkError(
                f"{len(self.blocks)} blocks have {len(self.sources)} sources; expected one each"
            )
        for index, places in enumerate(self.sources):
            if not places or not all(INPUT <= place < index for place in places):
                raise NetworkError(
                    f"block {index} has the sources {places}; expected at least one, each from {INPUT} (the"
                    f" input) to {index - 1}"
                )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Output of the last block for inputs ``(N, *shape, T)``."""
        last = {place: index for index, places in enumerate(self.sources) for place in places}
        activity = {INPUT: inputs}
        output = inputs
        for index, (block, places) in enumerate(zip(self.blocks, self.sources, strict=True)):
            output = activity[index] = block(*(activity[place] for place in places))
            for place in set(places):
                if last[place] == index:
                    del activity[place]
        return output

    def sources_of(self, name: str) -> tuple[str, ...]:
        """Names of the layers whose spikes reach a layer with no other layer of synapses between.

        As :meth:`dpap.networks.Network.sources_of`, for the layers of :func:`dpap.slayer.stock_layers`.
        """
        names = layer_names(self.blocks)
        (index,) = (index for index, known in names.items() if known == name)
        found: list[str] = []
        pending = list(reversed(self.sources[index]))
        while pending:
            place = pending.pop()
            if place == INPUT:
                found.append(networks.INPUT)
            elif place in names:
                found.append(names[place])
            else:
                pending.extend(reversed(self.sources[place]))
        return tuple(dict.fromkeys(found))


def layer_names(blocks: Iterable[nn.Module]) -> dict[int, str]:
    """Names of the blocks whose synapses are learned, such as ``conv1``, by place."""
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for index, block in enumerate(blocks):
        prefix = _PREFIXES.get(stock_kind(block) or "")
        if prefix is not None:
            counts[prefix] = counts.get(prefix, 0) + 1
            names[index] = f"{prefix}{counts[prefix]}"
    return names


def sources_in(network: nn.Module, count: int) -> tuple[tuple[int, ...], ...]:
    """Sources of the blocks of a :class:`Graph`; of anything else, that its blocks follow each other."""
    if isinstance(network, Graph):
        return network.sources
    return tuple((index - 1,) for index in range(count))
