"""Blocks of a network as plain, validated fields, from which they are made again."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from dpap import blocks
from dpap.blocks import SynapticBlock
from dpap.errors import InputError
from dpap.networks.network import INPUT
from dpap.neurons import AnyNeuron

MOST_LAYERS = 4096

Count = Annotated[int, Field(ge=1, le=1 << 24)]
Offset = Annotated[int, Field(ge=0, le=1 << 16)]
Pair = Annotated[list[Count], Field(min_length=2, max_length=2)]
Offsets = Annotated[list[Offset], Field(min_length=2, max_length=2)]
Image = Annotated[list[Count], Field(min_length=3, max_length=3)]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^.]+$")]


class Described(BaseModel):
    """A block and its place: its name, and the names of its sources."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    sources: list[Name] = Field(min_length=1, max_length=256)


class Module(Described):
    """A block without synapses; ``arguments`` by the constructor's names."""

    kind: Literal[
        "SumPool", "MaxPool", "Delay", "Addition", "Concatenation", "Dropout", "Flatten", "DeltaEncoder"
    ]
    window: Count | Pair | None = None
    stride: Pair | None = None
    padding: Offsets | None = None
    channels: Count | list[Count] | None = None
    highest: Count | None = None
    probability: float | None = None
    gain: Count | None = None
    threshold: Count | None = None

    def make(self, time_steps: int) -> nn.Module:
        """The block; raises as its constructor."""
        given = self.model_dump(include=set(_ARGUMENTS[self.kind]))
        if None in given.values() or self.model_fields_set - {"name", "sources", "kind", *given}:
            raise InputError(
                f"{self.name}: a {self.kind} is described by {', '.join(given) or 'nothing more'}"
            )
        if self.kind in ("Delay", "Concatenation") and isinstance(self.channels, int) != (
            self.kind == "Delay"
        ):
            raise InputError(f"{self.name}: the channels of a {self.kind} are {self.channels}")
        return getattr(blocks, self.kind)(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        )


class Synaptic(Described):
    """Fields of all blocks with synapses."""

    neuron: AnyNeuron
    input_bound: int = Field(ge=0, le=1 << 40)
    input_divisor: int | float = Field(gt=0, le=1 << 40, allow_inf_nan=False)
    scale: int | None = Field(ge=1, le=1 << 40)
    rounds: bool
    bias: bool

    def _common(self, time_steps: int) -> dict[str, Any]:
        names = ("name", "neuron", "input_bound", "input_divisor", "scale")
        return {name: getattr(self, name) for name in names} | {"time_steps": time_steps}


class DenseBlock(Synaptic):
    """A :class:`dpap.blocks.Dense`, or a :class:`dpap.blocks.Recurrent`."""

    kind: Literal["Dense", "Recurrent"]
    inputs: Count
    outputs: Count
    norm: bool

    def make(self, time_steps: int) -> nn.Module:
        """The block; raises as its constructor."""
        options = self._common(time_steps) | {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "bias": self.bias,
        }
        if self.kind == "Dense":
            return blocks.Dense(**options, norm=self.norm)
        return blocks.Recurrent(**options)


class ConvBlock(Synaptic):
    """A :class:`dpap.blocks.Conv`."""

    kind: Literal["Conv"]
    input_shape: Image
    channels: Count
    kernel: Pair
    padding: Offsets
    stride: Pair
    dilation: Pair
    groups: Count
    norm: bool

    def make(self, time_steps: int) -> nn.Module:
        """The block; raises as its constructor."""
        return blocks.Conv(
            **self._common(time_steps),
            input_shape=tuple(self.input_shape),
            channels=self.channels,
            kernel=tuple(self.kernel),
            padding=tuple(self.padding),
            stride=tuple(self.stride),
            dilation=tuple(self.dilation),
            groups=self.groups,
            bias=self.bias,
            norm=self.norm,
        )


class PoolBlock(Synaptic):
    """A :class:`dpap.blocks.SpikingPool`."""

    kind: Literal["SpikingPool"]
    input_shape: Image
    window: Pair
    padding: Offsets
    stride: Pair
    extra: Offsets

    def make(self, time_steps: int) -> nn.Module:
        """The block; raises as its constructor."""
        return blocks.SpikingPool(
            **self._common(time_steps),
            input_shape=tuple(self.input_shape),
            window=tuple(self.window),
            padding=tuple(self.padding),
            stride=tuple(self.stride),
            extra=tuple(self.extra),
        )


Block = Annotated[Module | DenseBlock | ConvBlock | PoolBlock, Field(discriminator="kind")]
"""Every block that a checkpoint can hold."""

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "SumPool": ("window", "stride", "padding"),
    "MaxPool": ("window", "stride", "padding"),
    "Delay": ("channels", "highest"),
    "Addition": (),
    "Concatenation": ("channels",),
    "Dropout": ("probability",),
    "Flatten": (),
    "DeltaEncoder": ("gain", "threshold"),
}
_SHAPES: dict[str, tuple[str, ...]] = {
    "Dense": ("norm",),
    "Recurrent": ("norm",),
    "Conv": ("input_shape", "kernel", "padding", "stride", "dilation", "groups", "norm"),
    "SpikingPool": ("input_shape", "window", "padding", "stride", "extra"),
}


def describe_blocks(layers: Mapping[str, nn.Module], sources: Mapping[str, Sequence[str]]) -> list[dict]:
    """Fields of every layer, as :data:`Block` validates them.

    Raises
    ------
    InputError
        A layer is not one of the project's own blocks; it is named.
    """
    return [_described(name, layer, sources[name]) for name, layer in layers.items()]


def _described(name: str, layer: nn.Module, sources: Sequence[str]) -> dict[str, Any]:
    kind = type(layer).__name__
    if kind not in _ARGUMENTS | _SHAPES or type(layer) is not getattr(blocks, kind):
        raise InputError(
            f"{name} is a {type(layer).__module__}.{kind}, which a checkpoint cannot hold; expected blocks of"
            f" dpap.blocks: {', '.join(_ARGUMENTS | _SHAPES)}"
        )
    fields: dict[str, Any] = {"name": name, "kind": kind, "sources": list(sources)}
    if kind in _ARGUMENTS:
        values = {argument: getattr(layer, argument, None) for argument in _ARGUMENTS[kind]}
        if kind == "Delay":
            values["channels"] = len(layer.delay)
        return fields | {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    if layer.name != name:
        raise InputError(f"{name}: the block's own name is {layer.name!r}; give it the layer's name")
    fields |= {key: getattr(layer, key) for key in ("input_bound", "input_divisor", "scale", "rounds")}
    fields |= {"neuron": layer.neuron.model_dump(), "bias": layer.bias is not None}
    if kind == "Conv":
        fields["channels"] = layer.output_shape[0]
    elif kind != "SpikingPool":
        fields |= {"outputs": layer.output_shape[0], "inputs": layer.input_shape[0]}
    values = {key: getattr(layer, key) for key in _SHAPES[kind] if key != "norm"}
    fields |= {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    return fields | ({"norm": layer.norm is not None} if "norm" in _SHAPES[kind] else {})


def make_blocks(
    described: Sequence[Any], input_shape: tuple[int, ...], time_steps: int
) -> tuple[dict[str, nn.Module], dict[str, tuple[str, ...]]]:
    """Layers and their sources, of descriptions that are validated.

    Raises
    ------
    InputError
        Names, sources or shapes do not fit together.
    """
    layers: dict[str, nn.Module] = {}
    sources: dict[str, tuple[str, ...]] = {}
    shapes = {INPUT: tuple(input_shape)}
    for block in described:
        if block.name in shapes or hasattr(nn.ModuleDict(), block.name):
            raise InputError(f"a layer cannot have the name {block.name!r}, or two have it")
        unknown = [source for source in block.sources if source not in shapes]
        if unknown:
            raise InputError(f"{block.name}: the source {unknown[0]!r} is no layer before it")
        layer = block.make(time_steps)
        shapes[block.name] = _shape_behind(block.name, layer, [shapes[source] for source in block.sources])
        if isinstance(layer, SynapticBlock):
            layer.rounds = block.rounds
        layers[block.name], sources[block.name] = layer, tuple(block.sources)
    if not layers or not isinstance(layer, SynapticBlock):
        raise InputError("the last layer has no output neurons")
    return layers, sources


def _shape_behind(name: str, layer: nn.Module, incoming: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Shape of what a layer gives; raises where what it takes is another."""
    first = incoming[0]
    if isinstance(layer, blocks.Concatenation):
        fits = [shape[0] for shape in incoming] == list(layer.channels) and len(
            {s[1:] for s in incoming}
        ) == 1
        behind = (sum(layer.channels), *first[1:])
    elif isinstance(layer, blocks.Addition):
        fits, behind = len(incoming) > 1 and len(set(incoming)) == 1, first
    elif isinstance(layer, SynapticBlock):
        fits, behind = incoming == [tuple(layer.input_shape)], tuple(layer.output_shape)
    elif isinstance(layer, blocks.SumPool | blocks.MaxPool):
        fits = len(incoming) == 1 and len(first) == 3
        behind = layer.output_shape(name, first) if fits else first
    elif isinstance(layer, blocks.Flatten):
        fits, behind = len(incoming) == 1, (math.prod(first),)
    else:
        fits = len(incoming) == 1 and (not isinstance(layer, blocks.Delay) or len(layer.delay) == first[0])
        behind = first
    if not fits:
        raise InputError(f"{name}: takes other shapes than its sources {incoming} give")
    return behind
