"""A network of rectified linear units as stock sigma-delta blocks."""

import torch
from torch import nn

from dpap.blocks import Conv, DeltaEncoder, Dropout, Flatten, MaxPool, SumPool, SynapticBlock
from dpap.errors import NetworkError
from dpap.networks import INPUT, Network
from dpap.runtime.lava_import import import_lava_dl
from dpap.slayer.pool import SumPool as StockSumPool
from dpap.slayer.sigma_delta.encoder import SlayerDeltaEncoder
from dpap.slayer.sigma_delta.pool import MaxPool as StockMaxPool
from dpap.slayer.sigma_delta.units import MESSAGES_PER_UNIT, unit_activation

LAST_SCALE = 64
"""Scale of the last block, whose messages nothing here receives: SLAYER's default."""


def to_stock(network: Network) -> nn.Sequential:
    """The network as stock ``slayer.block.sigma_delta`` blocks (:func:`dpap.to_slayer` documents it).

    Raises
    ------
    NetworkError
        A layer has no counterpart, named with what to do.
    """
    sigma_delta = import_lava_dl("slayer.block.sigma_delta")
    _check_chain(network)
    found = [(block, block.integer_parameters()) for block in network.synaptic_blocks()]
    # What a block drops of its sums is the scale of the one before.
    scales = [1 << integers.shift for _, integers in found] + [LAST_SCALE]
    numbers = {
        block.name: (integers, *scales[index : index + 2]) for index, (block, integers) in enumerate(found)
    }
    encoders = [block for block in network.layers.values() if isinstance(block, DeltaEncoder)]
    encoder = encoders[0] if encoders else DeltaEncoder()
    layers: list[nn.Module] = [SlayerDeltaEncoder(scales[0], encoder.gain, encoder.threshold)]
    flat = len(network.input_shape) == 1
    for name, block in network.layers.items():
        if isinstance(block, SynapticBlock):
            layers.append(_stock_block(block, *numbers[name], sigma_delta))
        elif isinstance(block, SumPool):
            layers.append(StockSumPool(block.window))
        elif isinstance(block, MaxPool):
            layers.append(StockMaxPool(block.window, block.stride, block.padding))
        elif isinstance(block, Flatten) and not flat:
            # The stock block takes nothing that is flat already.
            layers.append(sigma_delta.Flatten())
            flat = True
    return nn.Sequential(*layers).train(network.training)


def _check_chain(network: Network) -> None:
    before = INPUT
    for name, block in network.layers.items():
        if network.sources[name] != (before,):
            raise NetworkError(
                f"{name} takes its input from {', '.join(network.sources[name])}; stock blocks follow each"
                " other: build the network without residual connections"
            )
        known = isinstance(block, (SynapticBlock, SumPool, MaxPool, Flatten, Dropout)) or (
            isinstance(block, DeltaEncoder) and before == INPUT
        )
        if not known or (isinstance(block, SumPool) and not block.tiles):
            raise NetworkError(
                f"{name}: a {type(block).__name__} ({block.extra_repr()}) has no counterpart among"
                " sigma-delta blocks; use Conv, Dense, MaxPool, Flatten, and SumPools that tile their input"
            )
        before = name


def _stock_block(block: SynapticBlock, integers, before: int, scale: int, sigma_delta) -> nn.Module:
    # The unit of sums; that of messages, 1 / (MESSAGES_PER_UNIT * scale), is `before` times larger.
    unit_of_sums = MESSAGES_PER_UNIT * before * scale
    parameters = {
        "threshold": integers.threshold / unit_of_sums,
        "activation": torch.nn.functional.relu if block.neuron.rectified else unit_activation,
        "scale": scale,
    }
    pre, post = block.input_shape[0], block.output_shape[0]
    if isinstance(block, Conv):
        stock = sigma_delta.Conv(
            parameters,
            pre,
            post,
            block.kernel,
            stride=block.stride,
            padding=block.padding,
            dilation=block.dilation,
            groups=block.groups,
        )
    else:
        stock = sigma_delta.Dense(parameters, pre, post)
    # SLAYER rounds a threshold down to a multiple of 1 / scale when it is made; its dynamics take any.
    stock.neuron.delta.threshold.data.fill_(integers.threshold / unit_of_sums)
    stock.synapse.weight.data = integers.weight.detach().reshape(stock.synapse.weight.shape) / scale
    if integers.bias is not None:
        extent = (1,) * (len(block.output_shape) - 1)
        stock.neuron.set_bias(integers.bias.detach().reshape(-1, *extent) / unit_of_sums)
    return stock.to(block.weight.device)
