r"""Lowering of ReLU networks to layers of sigma-delta units.

Every block becomes units that send changes of their activations (:class:`~deploy.ir.SigmaDelta`), and its
input messages of changes (:class:`~deploy.ir.InputDeltaEncoder`). Pools of sums and additions are linear, of
changes as of activations, and are part of the next layer's synapses. A maximum is neither: its units add up
their inputs, and send changes of the largest sum (:class:`~deploy.ir.Maximum`), which is exact.

A maximum over sums needs the sums at hand, and windows that do not tile their input fit no synapses of the
next layer. Both become *pass-through layers*: sigma-delta units that take all inputs with the least weight,
2, and drop one binary digit of the sum, so that they send exactly the change of their input.
"""

import numpy as np

import dpap
from deploy.compiler.path_tracing import SourcePath, trace_paths
from deploy.errors import CompileError
from deploy.ir import Geometry, Incoming, InputDeltaEncoder, Maximum, SigmaDelta
from deploy.ir.encoding import encode_convolution
from dpap import blocks
from dpap.blocks.window import pair
from dpap.networks import INPUT
from dpap.neurons.sigma_delta import MESSAGE_LIMIT
from dpap.quantization.scaling import WEIGHT_STEP

PASS_THROUGH = SigmaDelta(threshold=WEIGHT_STEP, shift=WEIGHT_STEP.bit_length() - 1, rectified=False)
"""Sends the change of its input, which comes through weights of 2."""


def encoder_of(network: dpap.networks.Network) -> InputDeltaEncoder:
    """The encoder of the network's input: its own, or one that sends every change.

    Raises
    ------
    CompileError
        An encoder is elsewhere, or not before every layer that takes the input, or sends more than 24 bits.
    """
    found = [name for name, block in network.layers.items() if isinstance(block, blocks.DeltaEncoder)]
    encoder = InputDeltaEncoder()
    if found:
        receiving = [name for name, sources in network.sources.items() if INPUT in sources]
        if found != receiving:
            raise CompileError(
                f"{found[-1]}: a DeltaEncoder must be the one layer that takes the network's input, and here"
                f" {', '.join(receiving)} do; put it first"
            )
        block = network.layers[found[0]]
        encoder = InputDeltaEncoder(block.gain, block.threshold)
    if encoder.gain * network.input_max >= MESSAGE_LIMIT:
        raise CompileError(
            f"{found[0] if found else INPUT}: inputs up to {network.input_max} times {encoder.gain} leave the"
            f" 24 bits of messages, below {MESSAGE_LIMIT}; build the network with fewer fraction_bits, or"
            " encode inputs to fewer levels"
        )
    return encoder


def largest_of(network: dpap.networks.Network, name: str) -> tuple[Incoming, Maximum]:
    """The windows of a maximum pool, and its units."""
    (path,) = messages_to(network, name)
    return _windows(network.layers[name], path), Maximum()


def pass_through(network: dpap.networks.Network, name: str) -> tuple[tuple[Incoming, ...], SigmaDelta]:
    """A pass-through layer of a sum: synapses from all of its sources, and its units."""
    block = network.layers[name]
    return tuple(_windows(block, path) for path in messages_to(network, name)), PASS_THROUGH


def messages_to(network: dpap.networks.Network, name: str) -> list[SourcePath]:
    """All paths into a layer.

    Raises
    ------
    CompileError
        A block on a path cannot be compiled, delays among them.
    """
    paths = trace_paths(network, name)
    for path in paths:
        if path.delays is not None:
            raise CompileError(
                f"{name}: its input from {path.source} is delayed, and of changes some would be lost at"
                " the end of a sample; remove the Delay, or use LIF neurons"
            )
    return paths


def _windows(block: blocks.Addition | blocks.MaxPool | blocks.SumPool, path: SourcePath) -> Incoming:
    """Each channel's windows, or single positions of a sum without a pool."""
    channels = path.shape[0]
    if isinstance(block, blocks.Addition):
        geometry = Geometry((1, 1), groups=channels)
    else:
        geometry = Geometry(pair(block.window), block.stride, block.padding, groups=channels)
    weight = np.full((channels, 1, *geometry.kernel), WEIGHT_STEP, np.int16)
    return Incoming(path.source, encode_convolution(weight, geometry, path.pool, channels), geometry)
