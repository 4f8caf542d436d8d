"""Compilation of a trained network to its integer graph."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from scipy import sparse
from torch import nn

import dpap
from deploy.compiler.compaction import compact
from deploy.compiler.path_tracing import SourcePath, population_shape, populations, trace_maximum, trace_paths
from deploy.compiler.relu_lowering import encoder_of, largest_of, messages_to, pass_through
from deploy.errors import CompileError
from deploy.ir import (
    ConvConnection,
    CubaLIF,
    Geometry,
    Graph,
    Incoming,
    Layer,
    MatrixConnection,
    Neuron,
)
from deploy.ir.encoding import ENCODINGS, Encoding, encode_convolution
from deploy.ir.neurons import DEPLOYED
from dpap.blocks import (
    Conv,
    Dense,
    Integers,
    MaxPool,
    Recurrent,
    ReLUIntegers,
    SpikingPool,
    SynapticBlock,
)
from dpap.blocks.window import pair
from dpap.neurons.parameters import DECAY_UNITY, SUM_LIMIT
from dpap.quantization.levels import warn_of_lost_levels
from dpap.quantization.scaling import WEIGHT_STEP

MEMORYLESS = CubaLIF(current_decay=DECAY_UNITY, voltage_decay=DECAY_UNITY, threshold=1)
"""Fires where a single spike of the least weight arrives, and forgets: the OR of its inputs."""


@torch.no_grad()
def compile(network: nn.Module, encoding: Encoding | Mapping[str, Encoding] = "smaller") -> Graph:
    """Compile a network exactly: the same integers, the same spikes, and only what survived.

    Weights are quantised at each layer's scale as the network itself does in every pass, batch
    normalisations folded in. Average pools are folded into the next layer's synapses, their area into its
    threshold; a maximum over spikes becomes a layer of neurons without memory, an addition synapses from
    both its sources. Rectified linear units become sigma-delta units (:mod:`deploy.compiler.relu_lowering`).
    Then dead channels, neurons and synapses are left out (:mod:`deploy.compiler.compaction`).

    Parameters
    ----------
    network : dpap.networks.Network
        Made by :func:`dpap.networks.build`, or a network of stock SLAYER blocks converted by
        :func:`dpap.from_slayer`.
    encoding : str, or dict of str by layer
        How convolutions are stored: ``shared``, by kernel; ``sparse``, every synapse by itself; or
        ``smaller``, whichever takes fewer bits. It changes no spike. Layers that a dict does not name have
        the smaller; what is stored by synapse in any case has no choice.

    Raises
    ------
    CompileError
        A layer cannot be compiled (named, with what to use in its place), all its weights become 0, the
        network is of another kind, or an encoding is not known or of a layer that is no convolution.

    Warns
    -----
    PrecisionWarning
        Rounding leaves a layer few levels, or many of its weights become 0 (:mod:`dpap.quantization.levels`).
    """
    if not isinstance(network, dpap.networks.Network):
        raise CompileError(
            f"cannot compile a {type(network).__name__}; build the network with dpap.networks.build, or"
            " convert one of stock SLAYER blocks with dpap.from_slayer"
        )
    _check_units(network)
    try:
        warn_of_lost_levels(network)
    except dpap.NetworkError as error:
        raise CompileError(str(error)) from error
    names = populations(network)
    if not names:
        raise CompileError("the network has no synaptic block; nothing to compile")
    if names[-1] != list(network.layers)[-1]:
        raise CompileError(
            f"{list(network.layers)[-1]} is at the end of the network, where there is no layer to fold it"
            " into; remove it"
        )
    encoder = encoder_of(network) if network.neuron.sends == "changes" else None
    graph = Graph(
        input_shape=network.input_shape,
        input_max=network.input_max,
        time_steps=network.time_steps,
        layers=tuple(_layer(network, name) for name in names),
        description={"notation": network.notation, "dpap": dpap.__version__},
        encoder=encoder,
    )
    return compact(graph, _encodings(graph, encoding))


def _encodings(graph: Graph, encoding: Encoding | Mapping[str, Encoding]) -> dict[str, Encoding]:
    convolutions = [
        layer.name for layer in graph.layers if any(i.convolution is not None for i in layer.inputs)
    ]
    chosen = dict(encoding) if isinstance(encoding, Mapping) else dict.fromkeys(convolutions, encoding)
    if not isinstance(encoding, Mapping) and encoding not in ENCODINGS:
        raise CompileError(f"encoding {encoding!r} is not known; use one of {', '.join(ENCODINGS)}")
    for name, wanted in chosen.items():
        if wanted not in ENCODINGS:
            raise CompileError(f"{name}: encoding {wanted!r} is not known; use one of {', '.join(ENCODINGS)}")
        if name not in convolutions:
            what = (
                "has no kernels to share" if name in [layer.name for layer in graph.layers] else "is no layer"
            )
            raise CompileError(
                f"{name} {what}, so its encoding cannot be chosen; the convolutions are"
                f" {', '.join(convolutions) or 'none'}"
            )
    return chosen


def _check_units(network: dpap.networks.Network) -> None:
    kinds = {name: block.neuron.type for name, block in network.layers.items() if hasattr(block, "neuron")}
    for name, kind in kinds.items():
        if kind != network.neuron.type:
            raise CompileError(
                f"{name} has {kind} neurons in a network of {network.neuron.type} neurons, which cannot be"
                " compiled: build the network with one kind of neuron"
            )


def _layer(network: dpap.networks.Network, name: str) -> Layer:
    describe = _spiking if network.neuron.sends == "spikes" else _relu
    inputs, neuron, scale, bias = describe(network, name)
    shape = population_shape(network, name)
    return Layer(
        name=name,
        shape=shape,
        kept=np.arange(shape[0], dtype=np.int32),
        without_fan_out=np.zeros(0, np.int32),
        neuron=neuron,
        inputs=inputs,
        scale=scale,
        bias=None if bias is None else bias.cpu().numpy().astype(np.int32),
        observed_current=_observed_current(network.layers[name]),
    )


def _observed_current(block: nn.Module) -> int | None:
    """The largest current that the scale of a block rests on, in units of synaptic sums."""
    if not isinstance(block, SynapticBlock) or "current_range" not in block.dynamics.buffers():
        return None
    integers = _integers(block)
    if not isinstance(integers, Integers) or integers.proven or block.observed_range is None:
        return None
    return min(math.ceil(block.observed_range * integers.scale * block.input_divisor), SUM_LIMIT - 1)


Description = tuple[tuple[Incoming, ...], Neuron, float, torch.Tensor | None]
"""Synapses of a layer, its neurons, their scale and their biases."""


def _spiking(network: dpap.networks.Network, name: str) -> Description:
    """A layer of spiking neurons."""
    block = network.layers[name]
    if isinstance(block, MaxPool):
        (path,) = trace_maximum(network, name)
        return (_maximum(block, path),), MEMORYLESS, float(WEIGHT_STEP), None
    integers = _integers(block)
    inputs = tuple(_incoming(block, integers, path) for path in trace_paths(network, name))
    if isinstance(block, Recurrent):
        own = integers.weight[:, block.input_shape[0] :]
        inputs += (Incoming(name, MatrixConnection(_matrix(own))),)
    return inputs, _deployed(block, integers), integers.scale, integers.bias


def _relu(network: dpap.networks.Network, name: str) -> Description:
    """A layer of units that send changes of activations."""
    block = network.layers[name]
    if isinstance(block, SynapticBlock):
        integers = _integers(block)
        inputs = tuple(_incoming(block, integers, path) for path in messages_to(network, name))
        return inputs, _deployed(block, integers), integers.scale, integers.bias
    if isinstance(block, MaxPool):
        incoming, neuron = largest_of(network, name)
        return (incoming,), neuron, float(WEIGHT_STEP), None
    return *pass_through(network, name), float(WEIGHT_STEP), None


def _deployed(block: SynapticBlock, integers: Integers | ReLUIntegers) -> Neuron:
    """The neurons of a block."""
    kind = DEPLOYED.get(block.neuron.type)
    if kind is None:
        raise CompileError(
            f"{block.name}: {block.neuron.type} neurons cannot be compiled; use {' or '.join(DEPLOYED)}"
        )
    try:
        return kind.of(block.neuron, integers, integers.scale * block.input_divisor)
    except dpap.NetworkError as error:
        raise CompileError(f"{block.name}: {error}") from error


def _integers(block: SynapticBlock) -> Integers | ReLUIntegers:
    try:
        block.check_quantized()
        return block.integer_parameters()
    except dpap.NetworkError as error:
        raise CompileError(str(error)) from error


def _incoming(block: SynapticBlock, integers: Integers | ReLUIntegers, path: SourcePath) -> Incoming:
    """Synapses of a block that come by one way."""
    if path.channels is not None and (isinstance(block, SpikingPool) or block.groups > 1):
        raise CompileError(
            f"{block.name}: a {type(block).__name__} of {block.groups} groups cannot be compiled behind a"
            " Concatenation; use a Conv of one group"
        )
    if isinstance(block, (Conv, SpikingPool)):
        connection = _convolution(block, integers, path)
        return Incoming(path.source, connection, connection.geometry, path.delays)
    if not isinstance(block, (Dense, Recurrent)):
        raise CompileError(
            f"{block.name}: a {type(block).__name__} cannot be compiled; use the blocks of dpap.blocks"
        )
    first, stop = path.channels or (0, block.input_shape[0])
    weight = integers.weight[:, first:stop]
    return Incoming(path.source, MatrixConnection(_matrix(weight), path.pool), None, path.delays)


def _convolution(
    block: Conv | SpikingPool, integers: Integers | ReLUIntegers, path: SourcePath
) -> ConvConnection:
    weight = integers.weight.cpu().numpy().astype(np.int16)
    first, stop = path.channels or (0, block.input_shape[0])
    channels = stop - first
    if isinstance(block, SpikingPool):
        weight = np.broadcast_to(weight, (channels, 1, *block.window))
        geometry = Geometry(block.window, block.stride, block.padding, groups=channels, extra=block.extra)
    else:
        weight = weight[:, first:stop]
        geometry = Geometry(block.kernel, block.stride, block.padding, block.dilation, block.groups)
    return encode_convolution(weight, geometry, path.pool, channels)


def _maximum(pool: MaxPool, path: SourcePath) -> Incoming:
    """Each channel's window of spikes, any of which makes its neuron fire."""
    channels, kernel = path.shape[0], pair(pool.window)
    geometry = Geometry(kernel, pool.stride, pool.padding, groups=channels)
    weight = np.full((channels, 1, *kernel), WEIGHT_STEP, np.int16)
    connection = encode_convolution(weight, geometry, 1, channels)
    return Incoming(path.source, connection, geometry, path.delays)


def _matrix(weight: torch.Tensor) -> sparse.csr_matrix:
    return sparse.csr_matrix(weight.cpu().numpy().astype(np.int16))
