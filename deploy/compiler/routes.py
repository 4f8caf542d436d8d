"""What lies between the populations of a network: the ways that spikes take from one to the next."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from deploy.errors import CompileError
from deploy.ir.geometry import pooled_shape
from dpap.blocks import (
    Addition,
    Concatenation,
    Delay,
    DeltaEncoder,
    Dropout,
    Flatten,
    MaxPool,
    SumPool,
    SynapticBlock,
)
from dpap.networks import INPUT, Network


@dataclass(frozen=True)
class Route:
    """One way from a population to a layer.

    Attributes
    ----------
    source : str
        A layer with neurons, or the network's input.
    shape : tuple of int
        Shape of the source.
    pool : int
        Window whose sums arrive; 1 where there is no pool.
    delays : int16 array of ``shape``, or None
        Steps by which each neuron's spikes are late.
    channels : pair of int, or None
        First of the layer's input channels that it reaches, and the one after the last; None where it reaches
        all, as it does without a :class:`~dpap.blocks.Concatenation`.
    """

    source: str
    shape: tuple[int, ...]
    pool: int = 1
    delays: np.ndarray | None = None
    channels: tuple[int, int] | None = None


def populations(network: Network) -> list[str]:
    """Blocks that become layers of neurons, in order.

    They are those with synapses and maxima; and in a network of rectified linear units also sums that a
    maximum is taken over, or whose windows do not tile their input (:mod:`deploy.compiler.rectifying`).
    """
    relays = relays_of(network)
    return [name for name, block in network.layers.items() if _has_neurons(block) or name in relays]


def relays_of(network: Network) -> set[str]:
    """Sums without neurons of their own that need some to pass them on."""
    if network.neuron.sends != "changes":
        return set()
    layers = dict(network.layers.items())
    found = {name for name, block in layers.items() if isinstance(block, SumPool) and not block.tiles}
    for name, block in layers.items():
        if isinstance(block, MaxPool):
            source = network.sources[name][0]
            while isinstance(layers.get(source), (Dropout, Flatten)):
                source = network.sources[source][0]
            if isinstance(layers.get(source), (Addition, SumPool)):
                found.add(source)
    return found


def _has_neurons(block) -> bool:
    return isinstance(block, (SynapticBlock, MaxPool))


def routes_to(network: Network, name: str) -> list[Route]:
    """All ways into a layer; their activities are added.

    Raises
    ------
    CompileError
        Something on a way cannot be compiled, named with what to use in its place.
    """
    return list(_routes_to(network, name, relays_of(network)))


def _routes_to(network: Network, name: str, relays: set[str]) -> Iterator[Route]:
    for source in network.sources[name]:
        block = None if source == INPUT else network.layers[source]
        if isinstance(block, Concatenation) and isinstance(network.layers[name], SynapticBlock):
            yield from _concatenated(network, source, block, relays)
        else:
            yield from _routes_from(network, source, relays)


def _concatenated(network: Network, name: str, block: Concatenation, relays: set[str]) -> Iterator[Route]:
    first = 0
    for source, channels in zip(network.sources[name], block.channels, strict=True):
        for route in _routes_from(network, source, relays):
            yield replace(route, channels=(first, first + channels))
        first += channels


def _routes_from(network: Network, name: str, relays: set[str]) -> Iterator[Route]:
    if name == INPUT:
        yield Route(INPUT, network.input_shape)
        return
    block = network.layers[name]
    if isinstance(block, DeltaEncoder) and network.neuron.sends == "changes":
        # What it sends is what the network's input sends (deploy.compiler.rectifying.encoder_of).
        yield Route(INPUT, network.input_shape)
        return
    if _has_neurons(block) or name in relays:
        yield Route(name, population_shape(network, name))
        return
    if isinstance(block, Concatenation):
        raise CompileError(
            f"{name}: a Concatenation is compiled only directly before a Conv, Dense or Recurrent block; put"
            " what follows it before it"
        )
    if not isinstance(block, (Addition, Delay, Dropout, Flatten, SumPool)):
        raise CompileError(
            f"{name}: a {type(block).__name__} cannot be compiled; use the blocks of dpap.blocks"
        )
    for route in _routes_to(network, name, relays):
        if isinstance(block, SumPool):
            yield _pooled(name, block, route)
        elif isinstance(block, Delay):
            yield _delayed(network, name, route)
        else:
            # Dropout does nothing in evaluation; neurons are flat in any case.
            yield route


def _pooled(name: str, pool: SumPool, route: Route) -> Route:
    if not pool.tiles:
        raise CompileError(
            f"{name}: its windows of {pool.window} with stride {pool.stride} and padding {pool.padding} do"
            " not tile their input, so one spike would count in several sums; use windows that tile (AP2), or"
            f" a pool with neurons (SP{pool.window})"
        )
    return replace(route, pool=route.pool * pool.window)


def _delayed(network: Network, name: str, route: Route) -> Route:
    block = network.layers[name]
    steps = block.steps.cpu().numpy().astype(np.int16)
    channels = route.shape[0]
    if len(steps) == channels:
        delays = np.broadcast_to(steps.reshape(-1, *(1,) * (len(route.shape) - 1)), route.shape)
    elif route.pool == 1 and len(steps) == np.prod(route.shape):
        delays = steps.reshape(route.shape)
    else:
        raise CompileError(
            f"{name}: {len(steps)} delays for sums over the windows of {route.source}; let Delay follow its"
            " layer at once"
        )
    total = delays if route.delays is None else route.delays + delays
    # Nothing later than a sample lasts arrives at all.
    return replace(route, delays=np.minimum(total, network.time_steps).astype(np.int16))


def population_shape(network: Network, name: str) -> tuple[int, ...]:
    """Shape of a layer of neurons."""
    block = network.layers[name]
    if isinstance(block, SynapticBlock):
        return block.output_shape
    if network.neuron.sends == "spikes":
        return block.output_shape(name, maximum_routes(network, name)[0].shape)
    route = routes_to(network, name)[0]
    shape = pooled_shape(route.shape, route.pool)
    return shape if isinstance(block, Addition) else block.output_shape(name, shape)


def maximum_routes(network: Network, name: str) -> list[Route]:
    """The way into a maximum pool, which must be spikes of one layer.

    Raises
    ------
    CompileError
        It is something else: a sum, whose maximum no neuron without memory can tell.
    """
    routes = routes_to(network, name)
    graded = len(routes) > 1 or routes[0].pool > 1
    graded = graded or (routes[0].source == INPUT and network.input_max > 1)
    if graded:
        what = " + ".join(route.source for route in routes) + (", pooled" if routes[0].pool > 1 else "")
        raise CompileError(
            f"{name}: the maximum over anything but spikes of one layer cannot be compiled (here it is over"
            f" {what}); use an average pool"
        )
    return routes
