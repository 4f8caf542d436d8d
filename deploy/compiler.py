"""From a trained network to its integer graph."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import nn

import dpap
from deploy.compaction import compact
from deploy.errors import CompileError
from deploy.graph import INPUT, ConvolutionShape, Graph, Layer, MatrixConnection, Neuron
from deploy.graph.encoding import encode_convolution
from dpap.blocks import Conv, Dense, Flatten, SumPool, SynapticBlock
from dpap.neurons.parameters import DECAY_UNITY


@dataclass(frozen=True)
class _Stage:
    """A synaptic block with the pools that stand before it, folded into one window."""

    block: SynapticBlock
    pool: int


@torch.no_grad()
def compile(network: nn.Module) -> Graph:
    """Compile a network exactly: the same integers, the same spikes, and only what survived.

    Weights are quantised at each layer's scale as the network itself does in every pass; average pools are
    folded into the next layer's synapses, their area into its threshold; then dead channels, neurons and
    synapses are left out (:mod:`deploy.compaction`).

    Parameters
    ----------
    network : dpap.networks.Network
        Made by :func:`dpap.networks.build`.

    Raises
    ------
    CompileError
        A layer cannot be compiled (named, with what to use in its place), or the network is of another kind.
    """
    if not isinstance(network, dpap.networks.Network):
        raise CompileError(
            f"cannot compile a {type(network).__name__}; build the network with dpap.networks.build"
        )
    layers, source = [], INPUT
    for name, stage in _stages(network):
        layers.append(_layer(name, source, stage))
        source = name
    if not layers:
        raise CompileError("the network has no synaptic block; nothing to compile")
    graph = Graph(
        input_shape=network.input_shape,
        input_max=network.input_max,
        time_steps=network.time_steps,
        layers=tuple(layers),
        description={"notation": network.notation, "dpap": dpap.__version__},
    )
    return compact(graph)


def _stages(network: dpap.networks.Network) -> Iterator[tuple[str, _Stage]]:
    pool, before = 1, dpap.networks.INPUT
    for name, block in network.layers.items():
        if network.sources.get(name, (before,)) != (before,):
            raise CompileError(
                f"{name} takes its input from {network.sources[name]}; only chains compile, where it would be"
                f" {before}: build the network without residual connections"
            )
        before = name
        if isinstance(block, (Conv, Dense)):
            _check_features(name, block)
            yield name, _Stage(block, pool)
            pool = 1
        elif isinstance(block, SumPool):
            if pool > 1:
                raise CompileError(
                    f"{name}: two pools in a row cannot be folded into one layer; use one pool with the"
                    " product of their windows"
                )
            if not block.tiles:
                raise CompileError(
                    f"{name}: its windows of {block.window} with stride {block.stride} and padding"
                    f" {block.padding} do not tile the input; only those that do compile, such as AP2"
                )
            pool = block.window
        elif not isinstance(block, Flatten):
            raise CompileError(
                f"{name}: a {type(block).__name__} cannot be compiled; use Conv, Dense, SumPool and Flatten"
            )
    if pool > 1:
        raise CompileError("a pool at the end of a network has no layer to be folded into; remove it")


def _check_features(name: str, block: Conv | Dense) -> None:
    plain = isinstance(block, Dense) or (
        block.stride == block.dilation == (1, 1)
        and block.groups == 1
        and len({block.kernel[0], block.kernel[1]}) == len({block.padding[0], block.padding[1]}) == 1
    )
    if not plain:
        raise CompileError(
            f"{name}: a convolution with stride {block.stride}, dilation {block.dilation}, {block.groups}"
            f" groups, kernel {block.kernel} and padding {block.padding} cannot be compiled; use stride 1,"
            " dilation 1, 1 group and square kernels"
        )
    if block.bias is not None or block.norm is not None:
        raise CompileError(f"{name}: biases cannot be compiled; build the network without bias and BN")


def _layer(name: str, source: str, stage: _Stage) -> Layer:
    block = stage.block
    try:
        weight, scale, threshold, _ = block.integer_parameters()
    except dpap.NetworkError as error:
        raise CompileError(str(error)) from error
    integers = weight.cpu().numpy().astype(np.int16)
    convolution = None
    if isinstance(block, Conv):
        convolution = ConvolutionShape(block.kernel[0], block.padding[0])
        connection = encode_convolution(integers, block.padding[0], stage.pool)
    else:
        connection = MatrixConnection(sparse.csr_matrix(integers), stage.pool)
    return Layer(
        name=name,
        source=source,
        shape=block.output_shape,
        kept=np.arange(block.output_shape[0], dtype=np.int32),
        unheard=np.zeros(0, np.int32),
        neuron=Neuron(
            current_decay=DECAY_UNITY - block.neuron.current_keep,
            voltage_decay=DECAY_UNITY - block.neuron.voltage_keep,
            threshold=threshold,
        ),
        connection=connection,
        scale=scale,
        convolution=convolution,
    )
