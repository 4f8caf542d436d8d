r"""Layers of networks of rectified linear units.

Every block becomes units that send changes of their activations (:class:`~deploy.ir.SigmaDelta`), and its
input messages of changes (:class:`~deploy.ir.DeltaEncoder`). Pools of sums and additions are linear, of
changes as of activations, and are part of the next layer's synapses. A maximum is neither: its units add up
what they hear, and send changes of the largest sum (:class:`~deploy.ir.Maximum`), which is exact.

A maximum over sums needs the sums at hand, and windows that do not tile their input fit no synapses of the
next layer. Both are given *relays*: sigma-delta units that hear all with the least weight, 2, and drop one
binary digit of the sum, so that they send exactly the change of what they hear.
"""

import numpy as np

import dpap
from deploy.compiler.routes import Route, routes_to
from deploy.errors import CompileError
from deploy.ir import DeltaEncoder, Geometry, Incoming, Maximum, SigmaDelta
from deploy.ir.encoding import encode_convolution
from dpap import blocks
from dpap.blocks.window import pair
from dpap.networks import INPUT
from dpap.neurons.sigma_delta import MESSAGE_LIMIT
from dpap.quantization.scaling import WEIGHT_STEP

RELAY = SigmaDelta(threshold=WEIGHT_STEP, shift=WEIGHT_STEP.bit_length() - 1, rectified=False)
"""Sends the change of what it hears through weights of 2."""


def encoder_of(network: dpap.networks.Network) -> DeltaEncoder:
    """The encoder of the network's input: its own, or one that sends every change.

    Raises
    ------
    CompileError
        An encoder stands elsewhere, or not before all that hears the input, or sends more than 24 bits.
    """
    found = [name for name, block in network.layers.items() if isinstance(block, blocks.DeltaEncoder)]
    encoder = DeltaEncoder()
    if found:
        hearing = [name for name, sources in network.sources.items() if INPUT in sources]
        if found != hearing:
            raise CompileError(
                f"{found[-1]}: a DeltaEncoder must be the one layer that takes the network's input, and here"
                f" {', '.join(hearing)} do; put it first"
            )
        block = network.layers[found[0]]
        encoder = DeltaEncoder(block.gain, block.threshold)
    if encoder.gain * network.input_max >= MESSAGE_LIMIT:
        raise CompileError(
            f"{found[0] if found else INPUT}: inputs up to {network.input_max} times {encoder.gain} leave the"
            f" 24 bits of messages, below {MESSAGE_LIMIT}; build the network with fewer fraction_bits, or"
            " encode inputs to fewer levels"
        )
    return encoder


def largest_of(network: dpap.networks.Network, name: str) -> tuple[Incoming, Maximum]:
    """The windows of a maximum pool, and its units."""
    (route,) = messages_to(network, name)
    return _windows(network.layers[name], route), Maximum()


def relay(network: dpap.networks.Network, name: str) -> tuple[tuple[Incoming, ...], SigmaDelta]:
    """Synapses from all that a sum hears, and units that pass it on."""
    block = network.layers[name]
    return tuple(_windows(block, route) for route in messages_to(network, name)), RELAY


def messages_to(network: dpap.networks.Network, name: str) -> list[Route]:
    """All ways into a layer.

    Raises
    ------
    CompileError
        Something on a way cannot be compiled, delays among them.
    """
    routes = routes_to(network, name)
    for route in routes:
        if route.delays is not None:
            raise CompileError(
                f"{name}: what it hears of {route.source} is delayed, and of changes some would be lost at"
                " the end of a sample; remove the Delay, or use LIF neurons"
            )
    return routes


def _windows(block, route: Route) -> Incoming:
    """Each channel's windows, or single positions of a sum without a pool."""
    channels = route.shape[0]
    if isinstance(block, blocks.Addition):
        geometry = Geometry((1, 1), groups=channels)
    else:
        geometry = Geometry(pair(block.window), block.stride, block.padding, groups=channels)
    weight = np.full((channels, 1, *geometry.kernel), WEIGHT_STEP, np.int16)
    return Incoming(route.source, encode_convolution(weight, geometry, route.pool, channels), geometry)
