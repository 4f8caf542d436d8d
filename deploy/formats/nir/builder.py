"""Builds the layers of a network from the nodes of a NIR graph."""

import math
from dataclasses import replace

import torch

from deploy.errors import CompileError, FormatError
from deploy.formats.nir.block import conv_block, dense_block
from deploy.formats.nir.fields import Shape, by_channel, numbers, read_bias, read_pair, read_weight
from deploy.formats.nir.neuron import step_neuron
from deploy.formats.nir.synapses import Place, Synapses, concatenated, joined, read_synapses
from deploy.formats.nir.topology import Topology, kind
from dpap import blocks
from dpap.blocks.delay import HIGHEST
from dpap.errors import NetworkError
from dpap.networks import INPUT, Network, check_arguments

WHOLE_STEPS = 1e-3
"""How near to a whole number of steps a delay must be: seconds are not whole in floats."""

MAX_DELAY = 1 << 15


class Builder:
    """Layers so far, and the activity of each node.

    Parameters
    ----------
    graph : Topology
    dt : float
        Duration of a step in seconds.
    time_steps, input_max, input_divisor : int
    input_shape : tuple of int or None
        Where the graph's is not to be taken.

    Attributes
    ----------
    populations : dict of str to (str, nir.NIRNode)
        For each layer with neurons, the name and node of these.
    """

    def __init__(
        self,
        graph: Topology,
        dt: float,
        time_steps: int,
        input_max: int,
        input_divisor: int,
        input_shape: Shape | None,
    ):
        if not (math.isfinite(dt) and dt > 0):
            raise NetworkError(f"dt is {dt}; expected a positive number of seconds")
        if int(input_divisor) != input_divisor or input_divisor < 1:
            raise NetworkError(f"input_divisor is {input_divisor}; expected a whole number from 1")
        check_arguments((1,), time_steps, input_max)
        self.graph, self.dt = graph, dt
        self.time_steps, self.input_max = int(time_steps), int(input_max)
        self.input_divisor, self.input_shape = int(input_divisor), input_shape
        self.layers: dict[str, torch.nn.Module] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, Place] = {}
        self.tokens: list[str] = []
        self.populations: dict[str, tuple[str, object]] = {}
        self._inputs: list[str] = []

    def network(self) -> Network:
        """The network, once every node has its place."""
        for name, node in self.graph.nodes.items():
            take = _TAKEN.get(kind(node))
            if take is None:
                raise CompileError(
                    f"{name}: a {kind(node)} has no counterpart; use {', '.join(_TAKEN)}, and LIF or CubaLIF"
                    " for an output"
                )
            try:
                take(self, name, node)
            except NetworkError as error:
                raise CompileError(f"{name}: {error}") from error
        if not self._inputs:
            raise FormatError("the graph has no Input that leads to its output")
        output = self.layers.get(self.places[self.graph.output].layer)
        if not isinstance(output, (blocks.Dense, blocks.Recurrent)):
            raise CompileError(
                f"{self.graph.output}: its source is not neurons behind a Linear or Affine node; add them"
            )
        return Network(
            "-".join(self.tokens),
            self.places[self._inputs[0]].shape,
            self.time_steps,
            self.input_max,
            output.neuron,
            self.layers,
            self.sources,
        )

    def input(self, name: str, node) -> None:
        """The network's input, or that of a subgraph."""
        if self.graph.sources[name]:
            self.places[name] = self._received(name)
            return
        self._inputs.append(name)
        if len(self._inputs) > 1:
            raise CompileError(f"{name}: a second input beside {self._inputs[0]}; join them to one")
        written = numbers(name, "shape", next(iter(node.input_type.values()))).ravel()
        shape = tuple(int(n) for n in written) if self.input_shape is None else tuple(self.input_shape)
        try:
            check_arguments(shape, self.time_steps, self.input_max)
        except NetworkError as error:
            advice = "; pass input_shape, without the batch's axis" if self.input_shape is None else ""
            raise NetworkError(f"{error}{advice}") from error
        self.places[name] = Place(INPUT, shape, self.input_max, self.input_divisor)

    def forwarded(self, name: str, _node) -> None:
        """An output, or synapses: the neurons behind them take their weights."""
        self.places[name] = self._received(name)

    def flatten(self, name: str, node) -> None:
        """All axes into one."""
        place = self._received(name)
        first, last = (int(numbers(name, field, getattr(node, field)).flat[0]) for field in _AXES)
        # Some writers count the batch: 1 is then the first axis, as 0 is for others.
        if first not in (0, 1) or last not in (-1, len(place.shape) - 1, len(place.shape)):
            raise CompileError(f"{name}: it flattens axes {first} to {last}; expected all, 0 to -1")
        if len(place.shape) > 1:
            place = self._add("flatten", blocks.Flatten(), place, shape=(math.prod(place.shape),))
        self.places[name] = place

    def pool(self, name: str, node) -> None:
        """A sum over windows; of an average, the area is in what stands for 1."""
        place = self._received(name)
        if len(place.shape) != 3:
            raise FormatError(f"{name}: its input is {place.shape}; expected (C, H, W)")
        window, stride, padding = (read_pair(name, node, field) for field in _WINDOW)
        pool = blocks.SumPool(window[0] if window[0] == window[1] else window, stride, padding)
        shape = pool.output_shape(name, place.shape)
        if not pool.tiles:
            raise CompileError(
                f"{name}: its windows of {window} with stride {stride} and padding {padding} do not tile"
                " their input, so one spike would count in several sums; use squares side by side"
            )
        place = replace(place, bound=place.bound * pool.area)
        if kind(node) == "AvgPool2d":
            place = replace(place, divisor=place.divisor * pool.area)
        self.tokens.append(f"AP{pool.window}")
        self.places[name] = self._add("pool", pool, place, shape=shape)

    def delay(self, name: str, node) -> None:
        """Axonal delays."""
        place = self._received(name)
        steps = numbers(name, "delay", node.delay) / self.dt
        if steps.min() < 0 or steps.max() > MAX_DELAY or abs(steps - steps.round()).max() > WHOLE_STEPS:
            raise CompileError(
                f"{name}: delays of {steps.min():g} to {steps.max():g} steps of {self.dt:g} s; expected whole"
                f" numbers from 0 to {MAX_DELAY}: pass the dt that the file was written for"
            )
        each = by_channel(name, "delay", steps.round(), place.shape)
        delay = blocks.Delay(len(each), max(int(each.max()), HIGHEST))
        # The middle of a step, which rounds down to it whatever the float.
        delay.delay.data = torch.from_numpy(each + 0.5).float().clamp(max=delay.highest)
        self.places[name] = self._add("delay", delay, place)

    def neurons(self, name: str, node) -> None:
        """Neurons and the synapses before them, as one block."""
        before = self.graph.sources[name]
        if not before:
            raise FormatError(f"{name}: nothing leads to it")
        for source in before:
            if kind(self.graph.nodes[source]) not in _SYNAPSES:
                raise CompileError(
                    f"{name}: it receives input from {source} without a Linear, Affine or Conv2d between"
                )
        parts = [read_synapses(each, self.graph.nodes[each], self.places[each]) for each in before]
        synapses, place = self._driven(name, joined(name, parts))
        if name in self.graph.recurrent:
            own, loop = self.graph.recurrent[name]
            synapses = replace(
                synapses,
                recurrent=read_weight(own, loop, 2),
                bias=synapses.bias + read_bias(own, loop),
            )
        make, prefix = (dense_block, "fc") if synapses.window is None else (conv_block, "conv")
        neuron = step_neuron(name, node, self.dt)
        block, token = make(name, self._next(prefix), synapses, neuron, self.time_steps)
        self.tokens.append(token)
        fired = self._add(prefix, block, Place(place.layer, block.output_shape, 1, 1))
        self.places[name], self.populations[fired.layer] = fired, (name, node)

    def _driven(self, name: str, parts: list[Synapses]) -> tuple[Synapses, Place]:
        """The synapses of a population as those of one place, and that place."""
        added = [self._added(name, list(part.places)) for part in parts]
        parts = [replace(part, places=(place,)) for part, place in zip(parts, added, strict=True)]
        synapses = concatenated(parts)
        if len(added) == 1:
            return synapses, added[0]
        channels = [place.shape[0] for place in added]
        place = Place(
            layer=added[0].layer,
            shape=(sum(channels), *added[0].shape[1:]),
            bound=max(place.bound for place in added),
            divisor=max(place.divisor for place in added),
        )
        place = self._add("concat", blocks.Concatenation(channels), place)
        self.sources[place.layer] = tuple(part.layer for part in added)
        return replace(synapses, places=(place,)), place

    def _received(self, name: str) -> Place:
        """The sum of a node's sources."""
        sources = self.graph.sources[name]
        if not sources:
            raise FormatError(f"{name}: nothing leads to it")
        for source in sources:
            if kind(self.graph.nodes[source]) in _SYNAPSES:
                raise CompileError(f"{name}: its source {source} is synapses; put neurons between")
        return self._added(name, [self.places[source] for source in sources])

    def _added(self, name: str, places: list[Place]) -> Place:
        first = places[0]
        if len(places) == 1:
            return first
        for place in places[1:]:
            if (place.shape, place.divisor) != (first.shape, first.divisor):
                raise CompileError(
                    f"{name}: it adds activity of {first.shape} (where {first.divisor} stands for 1) and of"
                    f" {place.shape} (where {place.divisor} does); both must agree"
                )
        added = self._add("add", blocks.Addition(), first)
        self.sources[added.layer] = tuple(place.layer for place in places)
        return replace(added, bound=sum(place.bound for place in places))

    def _next(self, prefix: str) -> str:
        return f"{prefix}{sum(layer.startswith(prefix) for layer in self.layers) + 1}"

    def _add(self, prefix: str, block: torch.nn.Module, place: Place, **changes) -> Place:
        """Add a layer behind a place; the place behind it."""
        made = self._next(prefix)
        self.layers[made] = block
        self.sources[made] = (place.layer,)
        return replace(place, layer=made, **changes)


_AXES = ("start_dim", "end_dim")
_WINDOW = ("kernel_size", "stride", "padding")
_SYNAPSES = ("Linear", "Affine", "Conv2d")

_TAKEN = {
    "Input": Builder.input,
    "Output": Builder.forwarded,
    "Linear": Builder.forwarded,
    "Affine": Builder.forwarded,
    "Conv2d": Builder.forwarded,
    "SumPool2d": Builder.pool,
    "AvgPool2d": Builder.pool,
    "Flatten": Builder.flatten,
    "Delay": Builder.delay,
    "LIF": Builder.neurons,
    "CubaLIF": Builder.neurons,
    "IF": Builder.neurons,
}
"""What is done with each kind of node; another kind is one method and one line."""
