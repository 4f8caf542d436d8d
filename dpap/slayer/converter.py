"""Stock SLAYER blocks as our layers, one after the other."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn

from dpap import blocks
from dpap.blocks import SynapticBlock
from dpap.blocks.delay import HIGHEST
from dpap.blocks.window import Extent, pair
from dpap.errors import NetworkError
from dpap.neurons import LIF
from dpap.slayer.bias import read_bias
from dpap.slayer.place import Place
from dpap.slayer.pool import MaxPool, SumPool, stock_pool_fault, zeros_of_stock_pool
from dpap.slayer.recurrence import keeps_bias_out_of_current
from dpap.slayer.stock import (
    CUBA_BLOCKS,
    DELAY,
    DROPOUT,
    is_stock,
    read_neuron,
    read_weight,
    remedy,
    rounds_weights,
    stock_kind,
)

_Made = TypeVar("_Made")


class Converter:
    """Layers of the network so far.

    Attributes
    ----------
    layers, sources : dict
        As those of :class:`dpap.networks.Network`.
    tokens : list of str
        A notation that describes the blocks.
    """

    def __init__(self, time_steps: int):
        self.time_steps = time_steps
        self.layers: dict[str, nn.Module] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self.tokens: list[str] = []
        self._counts: dict[str, int] = {}

    def convert(self, block: nn.Module, where: str, places: list[Place]) -> Place:
        """Add what a stock block is, behind the places that it takes its inputs from."""
        if isinstance(block, blocks.Addition):
            return self._add_addition(block, where, places)
        if len(places) > 1:
            raise NetworkError(f"{where} has {len(places)} sources; only a dpap.blocks.Addition adds them up")
        add = _ADDERS.get(stock_kind(block) or "")
        for kind, adder in _OTHERS:
            if kind(block):
                add = adder
        if add is None:
            raise NetworkError(f"{where} has no counterpart: {_remedy(block)}")
        return add(self, block, where, places[0])

    def _add_input(self, block: nn.Module, where: str, place: Place) -> Place:
        if block.neuron is not None:
            raise NetworkError(
                f"{where} has neurons of its own, without synapses: remove it, and take its spikes for the"
                " input"
            )
        return replace(place, lag=place.lag + bool(block.delay_shift))

    def _add_flatten(self, block: nn.Module, where: str, place: Place) -> Place:
        if len(place.shape) != 3:
            raise NetworkError(f"{where} takes (C, H, W); here it is {place.shape}: remove it")
        return self._add("flatten", blocks.Flatten(), replace(place, shape=(math.prod(place.shape),)))

    def _add_pool(self, block: nn.Module, where: str, place: Place) -> Place:
        self._check_spatial(where, place)
        kind, token = (blocks.MaxPool, "MP") if isinstance(block, MaxPool) else (blocks.SumPool, "AP")
        made = kind(block.window, block.stride, block.padding)
        shape = _fitting(where, lambda: made.output_shape("its pool", place.shape))
        self.tokens.append(f"{token}{_extent(block.window)}")
        bound = place.bound * (made.area if kind is blocks.SumPool else 1)
        return self._add("pool", made, replace(place, shape=shape, bound=bound))

    def _add_dropout(self, block: nn.Module, where: str, place: Place) -> Place:
        self.tokens.append(f"DP{block.p:g}")
        made = _fitting(where, lambda: blocks.Dropout(block.p))
        return self._add("dropout", made, replace(place, rounds=True))

    def _add_delay(self, block: nn.Module, where: str, place: Place) -> Place:
        if not place.spikes:
            raise NetworkError(f"{where} delays the input: remove it, and delay the input before")
        return self._delayed(block, where, place)

    def _add_addition(self, block: nn.Module, where: str, places: list[Place]) -> Place:
        first = places[0]
        for other in places[1:]:
            if other.shape != first.shape:
                raise NetworkError(
                    f"{where} adds {first.shape} and {other.shape}; expected the same shape: give both"
                    " sources as many channels, and the same strides and pools"
                )
            if other.lag != first.lag:
                raise NetworkError(
                    f"{where} adds layers that come {first.lag} and {other.lag} steps late; set"
                    " delay_shift=False"
                )
        self.tokens.append("Add")
        place = replace(first, bound=sum(p.bound for p in places), rounds=any(p.rounds for p in places))
        place = replace(place, spikes=any(p.spikes for p in places))
        return self._add("add", block.__class__(), place, tuple(p.source for p in places))

    def _add_conv(self, block: nn.Module, where: str, place: Place) -> Place:
        synapse = block.synapse
        if len(place.shape) != 3 or synapse.in_channels != place.shape[0]:
            raise NetworkError(
                f"{where} takes {synapse.in_channels} channels; its input here is {place.shape}: "
                + ("put it before the Flatten" if len(place.shape) != 3 else "give one as many as the other")
            )
        kernel, stride, padding, dilation = (
            tuple(extent[:2])
            for extent in (synapse.kernel_size, synapse.stride, synapse.padding, synapse.dilation)
        )
        neuron, scale, bias = self._read(block, where, synapse.out_channels)
        made = _fitting(
            where,
            lambda: blocks.Conv(
                self._next("conv"),
                place.shape,
                synapse.out_channels,
                kernel,
                neuron,
                self.time_steps,
                padding,
                input_bound=place.bound,
                scale=scale,
                stride=stride,
                dilation=dilation,
                groups=synapse.groups,
                bias=bias is not None,
            ),
        )
        self.tokens.append(f"{synapse.out_channels}C{_extent(kernel)}")
        return self._synaptic("conv", made, read_weight(block, where), bias, block, where, place)

    def _add_dense(self, block: nn.Module, where: str, place: Place) -> Place:
        self._check_flat(block.synapse, where, place)
        neuron, scale, bias = self._read(block, where, block.synapse.out_channels)
        made = blocks.Dense(
            self._next("fc"),
            block.synapse.in_channels,
            block.synapse.out_channels,
            neuron,
            self.time_steps,
            input_bound=place.bound,
            scale=scale,
            bias=bias is not None,
        )
        self.tokens.append(f"{block.synapse.out_channels}FC")
        return self._synaptic("fc", made, read_weight(block, where), bias, block, where, place)

    def _add_recurrent(self, block: nn.Module, where: str, place: Place) -> Place:
        synapse = block.input_synapse
        self._check_flat(synapse, where, place)
        if block.neuron.drop is not None:
            raise NetworkError(
                f"{where} has dropout, which SLAYER draws again in every step of a recurrent block: set"
                " block.neuron.drop = None once it is trained"
            )
        neuron, scale, bias = self._read(block, where, synapse.out_channels)
        if bias is not None and neuron.current_keep and not keeps_bias_out_of_current(block.neuron):
            raise NetworkError(
                f"{where} has a norm, whose mean SLAYER subtracts from the current that a recurrent neuron"
                " keeps: use current_decay=1, or no norm"
            )
        made = blocks.Recurrent(
            self._next("fc"),
            synapse.in_channels,
            synapse.out_channels,
            neuron,
            self.time_steps,
            input_bound=place.bound,
            scale=scale,
            bias=bias is not None,
        )
        self.tokens.append(f"{synapse.out_channels}RFC")
        parts = read_weight(block, where, synapse), read_weight(block, where, block.recurrent_synapse)
        weight_and_mask = tuple(torch.cat(pair, 1) for pair in zip(*parts, strict=True))
        return self._synaptic("fc", made, weight_and_mask, bias, block, where, place)

    def _add_spiking_pool(self, block: nn.Module, where: str, place: Place) -> Place:
        self._check_spatial(where, place)
        synapse = block.synapse
        window, stride, padding, dilation = (
            tuple(extent[:2])
            for extent in (synapse.kernel_size, synapse.stride, synapse.padding, synapse.dilation)
        )
        if dilation != (1, 1):
            raise NetworkError(
                f"{where}: its dilation is {dilation}; expected 1: use a cuba.Conv with groups"
            )
        fault = stock_pool_fault(place.shape[1:], window, stride, padding)
        if fault is not None:
            raise NetworkError(f"{where}: {fault}. Use a cuba.Conv with as many groups as channels")
        neuron, scale = read_neuron(block, where)
        made = _fitting(
            where,
            lambda: blocks.SpikingPool(
                self._next("pool"),
                place.shape,
                window,
                neuron,
                self.time_steps,
                stride,
                padding,
                input_bound=place.bound,
                scale=scale,
                extra=zeros_of_stock_pool(place.shape[1:], window),
            ),
        )
        self.tokens.append(f"SP{_extent(window)}")
        return self._synaptic("pool", made, read_weight(block, where), None, block, where, place)

    def _read(self, block: nn.Module, where: str, channels: int) -> tuple[LIF, int, torch.Tensor | None]:
        neuron, scale = read_neuron(block, where)
        return neuron, scale, read_bias(block.neuron, channels, where)

    def _synaptic(
        self,
        kind: str,
        made: SynapticBlock,
        weight_and_mask: tuple[torch.Tensor, torch.Tensor],
        bias: torch.Tensor | None,
        block: nn.Module,
        where: str,
        place: Place,
    ) -> Place:
        weight, mask = weight_and_mask
        if bias is not None:
            if place.lag and bool(bias.any()):
                raise NetworkError(
                    f"{where} has a bias (its norm), and comes {place.lag} steps late: its neurons receive"
                    " the bias before the input. Set delay_shift=False in the blocks before"
                )
            # A neuron without synapses is silent here, but fires by its bias in SLAYER.
            mask[(mask.amax(1) == 0) & (bias != 0)] = 1
            made.bias.data = bias / block.neuron.w_scale
        if not rounds_weights(block):
            made.scale, made.weight_bits = None, None
        made.rounds = place.rounds
        with torch.no_grad():
            made.weight.data = weight.reshape(made.weight.shape)
            made.mask = mask.reshape(made.mask.shape)
            _fitting(where, made.integer_parameters)
        lag = place.lag + bool(block.delay_shift)
        after = self._add(kind, made, Place(place.source, made.output_shape, lag=lag, spikes=True))
        if block.neuron.drop is not None:
            if not is_stock(block.neuron.drop, DROPOUT):
                raise NetworkError(
                    f"{where}: its dropout is a {type(block.neuron.drop).__name__}; expected"
                    " slayer.neuron.Dropout, or set block.neuron.drop = None once it is trained"
                )
            after = self._add_dropout(block.neuron.drop, where, after)
        return after if block.delay is None else self._delayed(block.delay, where, after)

    def _delayed(self, delay: nn.Module, where: str, place: Place) -> Place:
        if delay.sampling_time != 1:
            raise NetworkError(
                f"{where}: its delays' sampling_time is {delay.sampling_time}; expected 1: set it to 1, and"
                f" delays in steps"
            )
        highest = HIGHEST if delay.max_delay is None else delay.max_delay
        made = _fitting(where, lambda: blocks.Delay(place.shape[0], highest))
        # Before its first pass a stock delay has no channels, and none is delayed.
        if delay.init:
            values = delay.delay.detach()
            if len(values) != place.shape[0]:
                raise NetworkError(
                    f"{where} has {len(values)} delays for {place.shape[0]} channels; give it one for each"
                )
            if delay.max_delay is None and bool((values >= HIGHEST + 1).any()):
                raise NetworkError(
                    f"{where}: a delay is {values.max().item():g} steps; Loihi has at most {HIGHEST}: set its"
                    f" max_delay = {HIGHEST}"
                )
            made.delay.data = values.clone()
        self.tokens.append(f"Delay{highest}")
        return self._add("delay", made, place)

    def _check_spatial(self, where: str, place: Place) -> None:
        if len(place.shape) != 3:
            raise NetworkError(
                f"{where} takes (C, H, W); its input here is {place.shape}: put it before the Flatten"
            )

    def _check_flat(self, synapse: nn.Module, where: str, place: Place) -> None:
        if synapse.kernel_size != (1, 1, 1):
            raise NetworkError(
                f"{where} takes (W, H, C) at once: put a Flatten before, and one number of inputs"
            )
        if place.shape != (synapse.in_channels,):
            raise NetworkError(
                f"{where} takes {synapse.in_channels} inputs; here they are {place.shape}"
                + (": put a Flatten before" if len(place.shape) == 3 else ": give one as many as the other")
            )

    def _next(self, kind: str) -> str:
        return f"{kind}{self._counts.get(kind, 0) + 1}"

    def _add(
        self, kind: str, layer: nn.Module, place: Place, sources: tuple[str, ...] | None = None
    ) -> Place:
        name = self._next(kind)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self.layers[name] = layer
        self.sources[name] = sources or (place.source,)
        return replace(place, source=name)


_ADDERS = {
    "Input": Converter._add_input,
    "Flatten": Converter._add_flatten,
    "Conv": Converter._add_conv,
    "Dense": Converter._add_dense,
    "Recurrent": Converter._add_recurrent,
    "Pool": Converter._add_spiking_pool,
}

_OTHERS = (
    (lambda block: isinstance(block, (SumPool, MaxPool)), Converter._add_pool),
    (lambda block: is_stock(block, DROPOUT), Converter._add_dropout),
    (lambda block: is_stock(block, DELAY), Converter._add_delay),
)


def _fitting(where: str, make: Callable[[], _Made]) -> _Made:
    """The result of ``make``, with the block's name in its errors."""
    try:
        return make()
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None


def _extent(extent: Extent) -> str:
    height, width = pair(extent)
    return f"{height}" if height == width else f"{height}x{width}"


def _remedy(block: nn.Module) -> str:
    if stock_kind(block) == "KWTA":
        return "use cuba.Recurrent, or cuba.Dense"
    return remedy(
        block,
        CUBA_BLOCKS,
        "use cuba.Conv, cuba.Dense, cuba.Recurrent, cuba.Pool, cuba.Flatten, cuba.Input without neurons,"
        " slayer.axon.Delay, slayer.neuron.Dropout, dpap.slayer.SumPool and dpap.slayer.MaxPool",
    )
