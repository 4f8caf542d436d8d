"""Prices of the units that a pruner removes, from counts of a compiled graph."""

import numpy as np
from torch import nn

from deploy.hardware.axons import source_parts
from deploy.ir import INPUT, Graph, Incoming, Layer
from deploy.ir.geometry import pooled_shape
from dpap.blocks import Concatenation
from dpap.errors import InputError
from dpap.pruning import UnitPrices
from dpap.pruning.prunable import Prunable, prunable_layers


class Units:
    """The units of a network and their prices.

    A unit is what a pruner removes: a neuron or a synapse of a dense layer, a channel or a kernel of a
    convolution. A layer without learned synapses, such as a maximum pool, has no units of its own: what its
    channels cost is the cost of the channels that they come from.

    Parameters
    ----------
    network : Network
    graph : Graph
        Compiled from it.
    left_out : tuple of str
        Layers that are not pruned; the output layer is not, either.

    Attributes
    ----------
    blocks : dict of str to Prunable
    prices : dict of str to UnitPrices
        Filled by :meth:`add_neurons` and :meth:`add_synapses`.

    Raises
    ------
    InputError
        The network has a :class:`dpap.blocks.Concatenation`.
    """

    def __init__(self, network: nn.Module, graph: Graph, left_out: tuple[str, ...] = ()):
        for name, module in network.named_modules():
            if isinstance(module, Concatenation):
                raise InputError(
                    f"{name}: the units behind a Concatenation have no prices, so this network can have no"
                    " budget; prune it to a target rate"
                )
        self._network, self._graph = network, graph
        self.blocks: dict[str, Prunable] = {block.name: block for block in prunable_layers(network)}
        self._prunable = set(list(self.blocks)[:-1]) - set(left_out)
        self._alive = {name: _alive(block) for name, block in self.blocks.items()}
        self.prices = {
            name: UnitPrices(np.zeros_like(self._alive[name]), np.zeros(len(block.weight)))
            for name, block in self.blocks.items()
        }

    def owners(self, name: str) -> tuple[str, ...]:
        """The layers whose units the channels of a population are; none for the network's input."""
        if name == INPUT:
            return ()
        found = (name,) if name in self.blocks else self._network.sources_of(name)
        return tuple(owner for owner in found if owner != INPUT)

    def sources(self, layer: Layer) -> tuple[str, ...]:
        """The layers that a layer receives input from, itself included where it is recurrent."""
        return tuple(dict.fromkeys(owner for source in layer.sources for owner in self.owners(source)))

    def can_be_pruned(self, names: tuple[str, ...]) -> bool:
        """Whether one of some layers is pruned."""
        return not self._prunable.isdisjoint(names)

    def add_neurons(self, name: str, costs: np.ndarray) -> None:
        """Add what the channels (neurons) of a population cost, ``(channels,)``."""
        owners = self.owners(name)
        for owner in owners:
            self.prices[owner].neurons[:] += costs / len(owners)

    def add_synapses(self, name: str, costs: np.ndarray) -> None:
        """Add what the synapses of a population cost, by input: ``(inputs,)``, as its weights have them."""
        if name not in self.blocks:
            # Each channel has one source channel: the synapses go with that.
            self.add_neurons(name, costs)
            return
        alive = self._alive[name]
        self.prices[name].synapses[:] += np.divide(
            costs.reshape(alive.shape), alive, out=np.zeros_like(alive), where=alive > 0
        )

    def share_neurons(self, names: tuple[str, ...], cost: float) -> None:
        """Add a cost to the neurons of some layers that survived compaction, to each the same."""
        kept = {name: self._graph[name].kept for name in names}
        count = sum(len(channels) for channels in kept.values())
        for name, channels in kept.items():
            self.prices[name].neurons[channels] += cost / count

    def share_synapses(self, name: str, cost: float) -> None:
        """Add a cost to the remaining synapses of a layer, to each the same."""
        alive = self._alive[name]
        self.prices[name].synapses[alive > 0] += cost / max(alive.sum(), 1.0)

    def total(self) -> float:
        """The cost of all remaining units."""
        return sum(
            float((prices.synapses * self._alive[name]).sum() + prices.neurons.sum())
            for name, prices in self.prices.items()
        )

    def by_input(self, layer: Layer, values: np.ndarray) -> np.ndarray:
        """Sum values of a layer's source neurons over what is one input of its weights.

        Parameters
        ----------
        layer : Layer
        values : array of shape (source neurons,)
            Those that survived, all sources one after the other.

        Returns
        -------
        float64 array of shape (inputs,)
            Channels of a convolution; of a dense layer its inputs, and after them, where it is recurrent, its
            own neurons.
        """
        received, own = 0.0, np.zeros(0)
        for incoming, (source, part) in zip(layer.inputs, source_parts(self._graph, layer), strict=True):
            inputs = self._inputs(incoming, values[part])
            if source == layer.name:
                own = inputs
            else:
                # Additions: what is summed on the way is one input.
                received = received + inputs
        return np.concatenate([received, own])

    def _inputs(self, incoming: Incoming, values: np.ndarray) -> np.ndarray:
        if incoming.source == INPUT:
            full = values.reshape(self._graph.input_shape).astype(np.float64)
        else:
            source = self._graph[incoming.source]
            full = source.expand(values.reshape(source.kept_shape).astype(np.float64))
        pool = incoming.connection.pool
        if pool > 1:
            channels, height, width = pooled_shape(full.shape, pool)
            windows = full[:, : height * pool, : width * pool]
            full = windows.reshape(channels, height, pool, width, pool).sum((2, 4))
        return full.sum((1, 2)) if incoming.convolution is not None else full.ravel()


def by_channel(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Sums over the positions of each channel, ``(channels,)``, of the values of the surviving neurons."""
    full = layer.expand(values.reshape(layer.kept_shape).astype(np.float64))
    return full.reshape(len(full), -1).sum(1)


def _alive(block: Prunable) -> np.ndarray:
    """Remaining synapses by input, ``(groups, pre / groups)``."""
    alive = (block.mask.detach().flatten(1) != 0).cpu().numpy()
    groups = getattr(block, "groups", 1)
    return alive.reshape(groups, -1, alive.shape[1]).sum(1).astype(np.float64)
