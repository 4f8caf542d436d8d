"""A network of stock sigma-delta blocks as one of ours."""

import math
from typing import Any

import torch
from torch import nn

from dpap import blocks
from dpap.blocks import SynapticBlock
from dpap.blocks.block import Shape
from dpap.errors import NetworkError
from dpap.networks import INPUT, Network, check_arguments
from dpap.slayer.conversion import Conversion, Stage
from dpap.slayer.pool import SumPool
from dpap.slayer.sigma_delta.encoder import SlayerDeltaEncoder
from dpap.slayer.sigma_delta.pool import MaxPool
from dpap.slayer.sigma_delta.stock import (
    SIGMA_DELTA_BLOCKS,
    read_bias,
    read_scale,
    read_threshold,
    read_unit,
    sigma_delta_kind,
)
from dpap.slayer.sigma_delta.units import MESSAGES_PER_UNIT
from dpap.slayer.stock import blocks_of, label, read_weight, remedy, rounds_weights

INPUT_STEP = 2
"""``sigma_delta.Input`` rounds to multiples of 2 / scale."""

INPUT_LIMIT = 127
"""Beyond 254 / scale it clips."""


def is_stock(net: nn.Module) -> bool:
    """Whether any block is a stock sigma-delta block, or our encoder for them."""
    return any(sigma_delta_kind(block) or isinstance(block, SlayerDeltaEncoder) for block in blocks_of(net))


def from_stock(
    net: nn.Module, input_shape: tuple[int, ...], time_steps: int, input_max: int = 1
) -> Conversion:
    """A network of stock sigma-delta blocks (:func:`dpap.from_slayer` documents it), unchecked.

    Raises
    ------
    NetworkError
        A block has no counterpart or does not fit, named with its index, kind and what to do.
    """
    check_arguments(input_shape, time_steps, input_max)
    chain = _Chain(tuple(input_shape), time_steps, input_max)
    found = blocks_of(net)
    labels = [label(index, block) for index, block in enumerate(found)]
    stages = []
    for where, block in zip(labels, found, strict=True):
        kind = sigma_delta_kind(block) or type(block)
        if kind not in _ADDERS:
            raise NetworkError(
                f"{where} has no counterpart: "
                + remedy(
                    block,
                    SIGMA_DELTA_BLOCKS,
                    "use sigma_delta.Input, Conv, Dense and Flatten, dpap.slayer.SumPool, and DeltaEncoder"
                    " and MaxPool of dpap.slayer.sigma_delta",
                )
            )
        _ADDERS[kind](chain, block, where)
        # A sigma_delta.Input has the attribute, and does not delay.
        chain.lag += kind != "Input" and bool(getattr(block, "delay_shift", False))
        name = list(chain.layers)[-1] if chain.layers else INPUT
        stages.append(Stage(name, name, chain.lag, MESSAGES_PER_UNIT * (chain.before or 1)))
    if not chain.layers or not isinstance(list(chain.layers.values())[-1], blocks.Dense):
        raise NetworkError(
            "the last block must be a sigma_delta.Dense, whose neurons are the classes; add one"
        )
    network = Network(
        "-".join(chain.tokens), tuple(input_shape), time_steps, input_max, chain.neuron, chain.layers
    )
    sources = tuple((index - 1,) for index in range(len(found)))
    return Conversion(network.train(net.training), found, labels, sources, stages, chain.input_step)


class _Chain:
    """Layers so far, the shape of what comes next, and the scale of the stock neuron before."""

    def __init__(self, shape: Shape, time_steps: int, input_max: int):
        self.shape, self.time_steps, self.input_max = shape, time_steps, input_max
        self.before: int | None = None
        self.lag, self.input_step = 0, 1.0
        self.layers: dict[str, nn.Module] = {}
        self.tokens: list[str] = []
        self.neuron = None
        self._counts: dict[str, int] = {}

    def encoder(self, block: nn.Module, where: str) -> None:
        self._check_first(where)
        self.before = block.scale
        if (block.gain, block.threshold) != (1, 1):
            self._add("encoder", blocks.DeltaEncoder(block.gain, block.threshold))

    def input(self, block: nn.Module, where: str) -> None:
        self._check_first(where)
        if block.neuron is None or block.weight is not None or block.bias is not None:
            raise NetworkError(
                f"{where} must have a neuron, and no weight and bias, which would not be whole numbers: apply"
                " them to the input before"
            )
        self.before = read_scale(block, where)
        threshold = read_threshold(block, MESSAGES_PER_UNIT * self.before, where)
        if self.input_max > INPUT_LIMIT:
            raise NetworkError(
                f"{where} clips beyond {INPUT_LIMIT} times 2 / scale; input_max is {self.input_max}: use a"
                f" dpap.slayer.sigma_delta.SlayerDeltaEncoder({self.before},"
                f" {INPUT_STEP * MESSAGES_PER_UNIT}, {threshold})"
            )
        self.input_step = INPUT_STEP / self.before
        self._add("encoder", blocks.DeltaEncoder(INPUT_STEP * MESSAGES_PER_UNIT, threshold))

    def flatten(self, block: nn.Module, where: str) -> None:
        if len(self.shape) != 3:
            raise NetworkError(f"{where} takes (C, H, W); here it is {self.shape}: remove it")
        self._add("flatten", blocks.Flatten())
        self.shape = (math.prod(self.shape),)

    def pool(self, block: nn.Module, where: str) -> None:
        if len(self.shape) != 3:
            raise NetworkError(f"{where} takes (C, H, W); here it is {self.shape}: put it before the Flatten")
        kind = blocks.SumPool if isinstance(block, SumPool) else blocks.MaxPool
        made = kind(block.window, block.stride, block.padding)
        self.shape = made.output_shape(where, self.shape)
        self._add("pool", made)
        self.tokens.append(f"{'AP' if kind is blocks.SumPool else 'MP'}{block.window}")

    def conv(self, block: nn.Module, where: str) -> None:
        synapse = block.synapse
        if len(self.shape) != 3 or synapse.in_channels != self.shape[0]:
            raise NetworkError(
                f"{where} takes {synapse.in_channels} channels; its input here is {self.shape}: "
                + ("put it before the Flatten" if len(self.shape) != 3 else "give one as many as the other")
            )
        made = blocks.Conv(
            self._next("conv"),
            self.shape,
            synapse.out_channels,
            synapse.kernel_size[:2],
            padding=synapse.padding[:2],
            stride=synapse.stride[:2],
            dilation=synapse.dilation[:2],
            groups=synapse.groups,
            **self._unit(block, where),
        )
        self.tokens.append(f"{synapse.out_channels}C{'x'.join(map(str, made.kernel))}")
        self._synaptic("conv", made, block, where)

    def dense(self, block: nn.Module, where: str) -> None:
        synapse = block.synapse
        if synapse.kernel_size != (1, 1, 1) or self.shape != (synapse.in_channels,):
            raise NetworkError(
                f"{where} takes {synapse.in_channels} inputs in a window of {synapse.kernel_size[:2]}; here"
                f" they are {self.shape}: put a Flatten before, and give it one number of inputs"
            )
        made = blocks.Dense(
            self._next("fc"), synapse.in_channels, synapse.out_channels, **self._unit(block, where)
        )
        self.tokens.append(f"{synapse.out_channels}FC")
        self._synaptic("fc", made, block, where)

    def _unit(self, block: nn.Module, where: str) -> dict[str, Any]:
        if self.before is None:
            raise NetworkError(
                f"{where} comes first and receives changes; start with a sigma_delta.Input that has a neuron,"
                " or with a dpap.slayer.sigma_delta.SlayerDeltaEncoder"
            )
        return {
            "neuron": read_unit(block, self.before, where),
            "time_steps": self.time_steps,
            "input_divisor": MESSAGES_PER_UNIT * self.before,
            "scale": block.neuron.w_scale,
        }

    def _synaptic(self, kind: str, made: SynapticBlock, block: nn.Module, where: str) -> None:
        if not rounds_weights(block):
            raise NetworkError(
                f"{where}: its pre_hook_fx is None, so its weights are not the 8 bits of Loihi, by which its"
                " messages have their unit; make the block without pre_hook_fx"
            )
        weight, mask = read_weight(block, where)
        bias = read_bias(block, self.before, made.output_shape, where)
        if bias is not None and self.lag and bool(bias.any()):
            raise NetworkError(
                f"{where} has a bias and comes {self.lag} steps late: its neurons receive the bias before the"
                " input. Set delay_shift=False in the blocks before"
            )
        with torch.no_grad():
            made.weight.data = weight.reshape(made.weight.shape)
            made.mask = mask.reshape(made.mask.shape)
            made.bias = None if bias is None else nn.Parameter(bias.clone())
            try:
                made.integer_parameters()
            except NetworkError as error:
                raise NetworkError(f"{where}: {error}") from None
        self._add(kind, made)
        self.shape, self.before, self.neuron = made.output_shape, block.neuron.w_scale, made.neuron

    def _check_first(self, where: str) -> None:
        if self.before is not None or self.layers:
            raise NetworkError(f"{where} encodes the input, and must come first; remove it or what is before")

    def _next(self, kind: str) -> str:
        return f"{kind}{self._counts.get(kind, 0) + 1}"

    def _add(self, kind: str, block: nn.Module) -> None:
        self.layers[self._next(kind)] = block
        self._counts[kind] = self._counts.get(kind, 0) + 1


_ADDERS = {
    SlayerDeltaEncoder: _Chain.encoder,
    SumPool: _Chain.pool,
    MaxPool: _Chain.pool,
    "Input": _Chain.input,
    "Flatten": _Chain.flatten,
    "Conv": _Chain.conv,
    "Dense": _Chain.dense,
}
