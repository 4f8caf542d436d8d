"""Tracing the paths of spikes between the populations of a network, through pools, delays and sums."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

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
class SourcePath:
    """One path from a population to a layer.

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
    maximum is taken over, or whose windows do not tile their input (:mod:`deploy.compiler.relu_lowering`).
    """
    pass_through = pass_through_layers(network)
    return [name for name, block in network.layers.items() if _has_neurons(block) or name in pass_through]


def pass_through_layers(network: Network) -> set[str]:
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


def _has_neurons(block: nn.Module) -> bool:
    return isinstance(block, (SynapticBlock, MaxPool))


def trace_paths(network: Network, name: str) -> list[SourcePath]:
    """All paths into a layer; their activities are added.

    Raises
    ------
    CompileError
        A block on a path cannot be compiled; it is named, with what to use in its place.
    """
    return list(_trace_paths(network, name, pass_through_layers(network)))


def _trace_paths(network: Network, name: str, pass_through: set[str]) -> Iterator[SourcePath]:
    for source in network.sources[name]:
        block = None if source == INPUT else network.layers[source]
        if isinstance(block, Concatenation) and isinstance(network.layers[name], SynapticBlock):
            yield from _concatenated(network, source, block, pass_through)
        else:
            yield from _trace_from(network, source, pass_through)


def _concatenated(
    network: Network, name: str, block: Concatenation, pass_through: set[str]
) -> Iterator[SourcePath]:
    first = 0
    for source, channels in zip(network.sources[name], block.channels, strict=True):
        for path in _trace_from(network, source, pass_through):
            yield replace(path, channels=(first, first + channels))
        first += channels


def _trace_from(network: Network, name: str, pass_through: set[str]) -> Iterator[SourcePath]:
    if name == INPUT:
        yield SourcePath(INPUT, network.input_shape)
        return
    block = network.layers[name]
    if isinstance(block, DeltaEncoder) and network.neuron.sends == "changes":
        # What it sends is what the network's input sends (deploy.compiler.relu_lowering.encoder_of).
        yield SourcePath(INPUT, network.input_shape)
        return
    if _has_neurons(block) or name in pass_through:
        yield SourcePath(name, population_shape(network, name))
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
    for path in _trace_paths(network, name, pass_through):
        if isinstance(block, SumPool):
            yield _pooled(name, block, path)
        elif isinstance(block, Delay):
            yield _delayed(network, name, path)
        else:
            # Dropout does nothing in evaluation; neurons are flat in any case.
            yield path


def _pooled(name: str, pool: SumPool, path: SourcePath) -> SourcePath:
    if not pool.tiles or not isinstance(pool.window, int):
        raise CompileError(
            f"{name}: its windows of {pool.window} with stride {pool.stride} and padding {pool.padding} do"
            " not tile their input, so one spike would count in several sums; use windows that tile (AP2), or"
            f" a pool with neurons (SP{pool.window})"
        )
    return replace(path, pool=path.pool * pool.window)


def _delayed(network: Network, name: str, path: SourcePath) -> SourcePath:
    block = network.layers[name]
    steps = block.steps.cpu().numpy().astype(np.int16)
    channels = path.shape[0]
    if len(steps) == channels:
        delays = np.broadcast_to(steps.reshape(-1, *(1,) * (len(path.shape) - 1)), path.shape)
    elif path.pool == 1 and len(steps) == np.prod(path.shape):
        delays = steps.reshape(path.shape)
    else:
        raise CompileError(
            f"{name}: {len(steps)} delays for sums over the windows of {path.source}; let Delay follow its"
            " layer at once"
        )
    total = delays if path.delays is None else path.delays + delays
    # Nothing later than a sample lasts arrives at all.
    return replace(path, delays=np.minimum(total, network.time_steps).astype(np.int16))


def population_shape(network: Network, name: str) -> tuple[int, ...]:
    """Shape of a layer of neurons."""
    block = network.layers[name]
    if isinstance(block, SynapticBlock):
        return block.output_shape
    if network.neuron.sends == "spikes":
        return block.output_shape(name, trace_maximum(network, name)[0].shape)
    path = trace_paths(network, name)[0]
    shape = pooled_shape(path.shape, path.pool)
    return shape if isinstance(block, Addition) else block.output_shape(name, shape)


def trace_maximum(network: Network, name: str) -> list[SourcePath]:
    """The path into a maximum pool, which must be spikes of one layer.

    Raises
    ------
    CompileError
        It is something else: a sum, whose maximum no neuron without memory can compute.
    """
    paths = trace_paths(network, name)
    graded = len(paths) > 1 or paths[0].pool > 1
    graded = graded or (paths[0].source == INPUT and network.input_max > 1)
    if graded:
        what = " + ".join(path.source for path in paths) + (", pooled" if paths[0].pool > 1 else "")
        raise CompileError(
            f"{name}: the maximum over anything but spikes of one layer cannot be compiled (here it is over"
            f" {what}); use an average pool"
        )
    return paths
