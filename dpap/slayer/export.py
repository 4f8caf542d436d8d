"""A network as stock SLAYER blocks."""

from collections import Counter
from typing import Any

import torch
from torch import nn

from dpap.blocks import (
    Addition,
    Conv,
    Delay,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Recurrent,
    SpikingPool,
    SumPool,
    SynapticBlock,
)
from dpap.blocks.window import window_extent
from dpap.errors import InputError, NetworkError
from dpap.networks import INPUT, Network
from dpap.neurons import LIF
from dpap.neurons.parameters import DECAY_UNITY
from dpap.runtime.lava_import import import_lava_dl
from dpap.slayer import graph, sigma_delta
from dpap.slayer.bias import set_bias
from dpap.slayer.pool import MaxPool as StockMaxPool
from dpap.slayer.pool import SumPool as StockSumPool
from dpap.slayer.pool import stock_pool_fault, zeros_of_stock_pool
from dpap.slayer.recurrence import keep_bias_out_of_current, start_at_rest

SCALE = 64
"""Scale of the stock neurons, SLAYER's default: integer units of a weight of 1."""


def to_slayer(network: Network) -> nn.Sequential | graph.Graph:
    r"""The network as stock ``slayer.block.cuba`` blocks, with the same spikes.

    Every layer has the integers of an inference: :math:`w = w_{int} / 64`, :math:`\vartheta = \Theta / 64`,
    decays in 1/4096, ``delay_shift=False``. Pruned weights are zero, batch normalisation is folded. Where
    that and dropout are not at work, training mode gives the same spikes too.

    ==============  ==========================================================================================
    layer           stock
    ==============  ==========================================================================================
    Conv, Dense     ``cuba.Conv``, ``cuba.Dense``
    Recurrent       ``cuba.Recurrent`` that starts every pass at rest (:mod:`dpap.slayer.recurrence`)
    SpikingPool     ``cuba.Pool``, or ``cuba.Conv`` with a group for each channel where SLAYER's pool would
                    mix channels or add zeros
    bias            ``neuron.norm``, a MeanOnlyBatchNorm that does not update (:mod:`dpap.slayer.bias`)
    Delay           ``delay`` of the block before, or ``slayer.axon.Delay`` where there is none
    Dropout         ``neuron.drop`` of the block before, or ``slayer.neuron.Dropout``
    SumPool         :class:`dpap.slayer.SumPool`; MaxPool :class:`dpap.slayer.MaxPool`
    Flatten         ``cuba.Flatten``
    Addition        :class:`dpap.blocks.Addition`, in a :class:`dpap.slayer.Graph`
    ==============  ==========================================================================================

    A network of :class:`dpap.ReLU` units becomes ``slayer.block.sigma_delta`` blocks with the same messages,
    behind a :class:`dpap.slayer.sigma_delta.SlayerDeltaEncoder`; a maximum pool is a
    :class:`dpap.slayer.sigma_delta.MaxPool`. The last block gives the changes of the logits. SLAYER computes
    in float32, so messages are equal where no sum exceeds 2**24 (``.double()`` the result for larger ones);
    its HDF5 export rounds thresholds down to multiples of 1 / scale and leaves biases out.

    The result takes ``(N, *input_shape, T)`` whole numbers from 0 to ``input_max`` and gives
    ``(N, classes, T)``. It is of its own: training it changes nothing here.

    Parameters
    ----------
    network : Network

    Raises
    ------
    InputError
        It is no :class:`dpap.networks.Network`.
    NetworkError
        A layer has no stock counterpart, or weights that are not rounded.
    """
    if not isinstance(network, Network):
        raise InputError(f"this is a {type(network).__name__}; expected a dpap Network (dpap.networks.build)")
    for block in network.synaptic_blocks():
        block.check_quantized()
    if network.neuron.sends == "changes":
        return sigma_delta.to_stock(network)
    exporter = _Exporter(network)
    for name, layer in network.layers.items():
        exporter.add(name, layer)
    chain = all(sources == (index - 1,) for index, sources in enumerate(exporter.sources))
    stock = nn.Sequential(*exporter.blocks) if chain else graph.Graph(exporter.blocks, exporter.sources)
    return stock.train(network.training)


class _Exporter:
    """Stock blocks and their sources, so far, and which of them each layer's output is."""

    def __init__(self, network: Network):
        self.network = network
        self.blocks: list[nn.Module] = []
        self.sources: list[tuple[int, ...]] = []
        self._places = {INPUT: graph.INPUT}
        self._uses = Counter(source for sources in network.sources.values() for source in sources)
        self._flat = {INPUT: len(network.input_shape) == 1}

    def add(self, name: str, layer: nn.Module) -> None:
        """Add a layer, whose sources are there already."""
        sources = self.network.sources[name]
        flat = self._flat[sources[0]]
        self._flat[name] = flat or isinstance(layer, (Flatten, Dense, Recurrent))
        if isinstance(layer, Flatten) and flat:
            # The stock block takes nothing that is flat already.
            self._places[name] = self._places[sources[0]]
            return
        if isinstance(layer, (Delay, Dropout)) and self._belongs_to_block(sources[0], layer):
            self._places[name] = self._places[sources[0]]
            return
        self.blocks.append(_stock(name, layer))
        self.sources.append(tuple(self._places[source] for source in sources))
        self._places[name] = len(self.blocks) - 1

    def _belongs_to_block(self, source: str, layer: nn.Module) -> bool:
        """Make a delay or a dropout part of the block before, where that has no other target."""
        before = None if source == INPUT else self.network.layers[source]
        if self._uses[source] != 1 or not isinstance(before, (SynapticBlock, Delay, Dropout)):
            return False
        place = self._places[source]
        block = self.blocks[place] if place != graph.INPUT else None
        neuron = getattr(block, "neuron", None)
        if neuron is None:
            return False
        if isinstance(layer, Delay) and block.delay is None:
            block.delay = _stock_delay(layer)
            return True
        # SLAYER would draw the neurons that a recurrent block drops anew in every step.
        if isinstance(layer, Dropout) and neuron.drop is None and not hasattr(block, "recurrent_synapse"):
            neuron.drop = _stock_dropout(layer)
            return True
        return False


def _stock(name: str, layer: nn.Module) -> nn.Module:
    if isinstance(layer, SynapticBlock) and isinstance(layer.neuron, LIF):
        return _stock_block(name, layer)
    if isinstance(layer, (SumPool, MaxPool)):
        kind = StockSumPool if isinstance(layer, SumPool) else StockMaxPool
        return kind(layer.window, layer.stride, layer.padding)
    if isinstance(layer, Flatten):
        return import_lava_dl("slayer.block.cuba").Flatten()
    if isinstance(layer, Addition):
        return Addition()
    if isinstance(layer, Delay):
        return _stock_delay(layer)
    if isinstance(layer, Dropout):
        return _stock_dropout(layer)
    raise _no_counterpart(name, layer)


def _no_counterpart(name: str, layer: nn.Module) -> NetworkError:
    return NetworkError(f"{name} is a {type(layer).__name__}; there is no such stock CUBA block")


def _stock_delay(layer: Delay) -> nn.Module:
    delay = import_lava_dl("slayer.axon").Delay(max_delay=layer.highest).to(layer.delay.device)
    delay.delay.data = layer.delay.detach().clone()
    # Or it would draw new ones in its first pass.
    delay.init = True
    return delay


def _stock_dropout(layer: Dropout) -> nn.Module:
    return import_lava_dl("slayer.neuron").Dropout(layer.probability)


def _stock_block(name: str, block: SynapticBlock) -> nn.Module:
    cuba = import_lava_dl("slayer.block.cuba")
    integers = block.integer_parameters()
    weight = integers.weight.detach()
    parameters = {
        "threshold": integers.threshold / SCALE,
        "current_decay": (DECAY_UNITY - block.neuron.current_keep) / DECAY_UNITY,
        "voltage_decay": (DECAY_UNITY - block.neuron.voltage_keep) / DECAY_UNITY,
        "scale": SCALE,
    }
    pre, post = block.input_shape[0], block.output_shape[0]
    options: dict[str, Any] = {"delay_shift": False}
    if isinstance(block, Conv):
        options |= {name: getattr(block, name) for name in ("stride", "padding", "dilation", "groups")}
        stock = cuba.Conv(parameters, pre, post, block.kernel, **options)
    elif isinstance(block, SpikingPool):
        options |= {"stride": block.stride, "padding": block.padding}
        if _is_stock_pool(block):
            stock = cuba.Pool(parameters, block.window, **options)
        elif block.extra != (0, 0):
            raise _no_counterpart(name, block)
        else:
            stock = cuba.Conv(parameters, pre, post, block.window, groups=pre, **options)
            weight = weight.expand(post, 1, *block.window)
    elif isinstance(block, Recurrent):
        stock = cuba.Recurrent(parameters, pre, post, **options)
        start_at_rest(stock)
    elif isinstance(block, Dense):
        stock = cuba.Dense(parameters, pre, post, **options)
    else:
        raise _no_counterpart(name, block)
    # SLAYER compares v >= threshold + eps in float32, where its own eps of 0.01 is lost from a threshold of
    # 4096 on, and it would fire at the threshold. Half a unit survives up to the largest.
    stock.neuron.threshold_eps = 0.5 / stock.neuron.s_scale
    if integers.bias is not None:
        set_bias(stock.neuron, integers.bias)
        if isinstance(block, Recurrent):
            keep_bias_out_of_current(stock.neuron)
    if isinstance(block, Recurrent):
        _set_weight(stock.input_synapse, weight[:, :pre])
        _set_weight(stock.recurrent_synapse, weight[:, pre:])
    else:
        _set_weight(stock.synapse, weight)
    return stock.to(weight.device)


def _is_stock_pool(block: SpikingPool) -> bool:
    """Whether SLAYER's pool has the same windows."""
    size = block.input_shape[1:]
    if stock_pool_fault(size, block.window, block.stride, block.padding) is not None:
        return False
    zeros = zeros_of_stock_pool(size, block.window)
    larger = size[0] + zeros[0], size[1] + zeros[1]
    return window_extent(block.name, larger, block.window, block.stride, block.padding) == tuple(
        block.output_shape[1:]
    )


def _set_weight(synapse: nn.Module, integers: torch.Tensor) -> None:
    synapse.weight.data = integers.reshape(synapse.weight.shape) / SCALE
