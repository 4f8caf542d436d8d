"""Builds a network from the papers' notation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from dpap.blocks import (
    Addition,
    Conv,
    Delay,
    DeltaEncoder,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Recurrent,
    SpikingPool,
    SumPool,
    SynapticBlock,
)
from dpap.errors import NetworkError
from dpap.errors.expected_objects import expect
from dpap.limits import MOST_INPUT
from dpap.networks.network import INPUT, Network, check_time_steps
from dpap.neurons import LIF, Neuron
from dpap.notation import (
    ConvToken,
    DelayToken,
    DenseToken,
    DropoutToken,
    FlattenToken,
    PoolToken,
    ResidualToken,
    Token,
    parse,
)
from dpap.quantization.weight_bits import MARGIN, MOST_BITS, check_weight_bits

MAX_NEURONS = 1 << 26
"""Neurons or weights of one layer beyond which a description is taken for a mistake."""


def build(
    notation: str,
    input_shape: tuple[int, ...],
    time_steps: int,
    *,
    input_max: int = 1,
    neuron: Neuron | None = None,
    bias: bool = False,
    weight_bits: int | None = MOST_BITS,
    range_margin: float = MARGIN,
) -> Network:
    """Build a network from the papers' notation (:mod:`dpap.notation`).

    Convolutions keep the size of their input unless their token says otherwise. Average pools become sums,
    with the area in the next block's threshold. Weights are drawn from torch's global generator
    (``torch.manual_seed``).

    Parameters
    ----------
    notation : str
        As in ``15C3-AP2-40C3-AP2-300FC-10FC``.
    input_shape : tuple of int
        ``(C, H, W)``, or ``(F,)`` for a network without convolutions.
    time_steps : int
        Steps T an inference takes.
    input_max : int
        Largest input, which stands for the real value 1: 1 for events, 16 for scikit-learn's digits.
    neuron : Neuron, optional
        The neuron; by default the paper's. With :class:`dpap.ReLU` the last layer's outputs are logits (it
        does not rectify), inputs coarser than its messages go through a
        :class:`~dpap.blocks.DeltaEncoder`, and pools with neurons, recurrent layers and delays are refused.
    bias : bool
        Whether every synaptic block has biases; those with BN have them in any case.
    weight_bits : int or None
        1 to 8 bits for each weight (:mod:`dpap.quantization.weight_bits`). None: weights are not rounded, and
        the network has to go through :func:`dpap.quantize` before it can be compiled.
    range_margin : float
        How much larger than those observed in training or by :func:`dpap.calibrate` the currents of spiking
        neurons may become, where no proof leaves the weights their bits
        (:mod:`dpap.quantization.weight_bits`).

    Raises
    ------
    NetworkError
        A token is unknown, a layer does not fit its input, or an argument is out of range.
    """
    if neuron is not None:
        call = "dpap.networks.build(notation, input_shape, time_steps, neuron=dpap.LIF())"
        expect(neuron, Neuron, "neuron", call)
    check_arguments(input_shape, time_steps, input_max)
    check_weight_bits(weight_bits)
    neuron = neuron or LIF()
    builder = _Builder(notation, neuron, time_steps, bias, weight_bits)
    tokens = parse(notation)
    builder.chain(tokens, builder.encode(_Place(INPUT, tuple(input_shape), input_max, input_max)))
    last = list(builder.layers.values())[-1]
    if not isinstance(last, (Dense, Recurrent)):
        raise NetworkError(f"{notation!r} must end with a fully connected layer, such as 10FC")
    last.neuron = neuron.of_output
    network = Network(
        notation,
        tuple(input_shape),
        time_steps,
        input_max,
        neuron,
        builder.layers,
        builder.sources,
        bias,
        described=True,
    )
    network.range_margin = range_margin
    return network


@dataclass(frozen=True)
class _Place:
    """The inputs of the next layer: its source, and the shape, bound and unit of that.

    In training it may be a fraction where the next one ``rounds``. What has been through neurons (``spikes``)
    changes with time.
    """

    source: str
    shape: tuple[int, ...]
    bound: int
    divisor: float
    rounds: bool = False
    spikes: bool = False


class _Builder:
    """Layers and their sources, so far."""

    def __init__(self, notation: str, neuron: Neuron, time_steps: int, bias: bool, weight_bits: int | None):
        self.notation, self.neuron, self.time_steps, self.bias = notation, neuron, time_steps, bias
        self.weight_bits = weight_bits
        self.layers: dict[str, nn.Module] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self._counts: dict[str, int] = {}

    def chain(self, tokens: Sequence[Token], place: _Place) -> _Place:
        """Add layers one after the other."""
        for token in tokens:
            place = _ADDERS[type(token)](self, token, place)
        return place

    def encode(self, place: _Place) -> _Place:
        """Make inputs for ReLU units at least as fine as their messages: these are made of whole inputs."""
        if self.neuron.sends != "changes" or place.divisor >= 1 << self.neuron.fraction_bits:
            return place
        gain = 1 << math.ceil(math.log2((1 << self.neuron.fraction_bits) / place.divisor))
        place = replace(place, bound=place.bound * gain, divisor=place.divisor * gain)
        return self._add(self._next("encoder"), DeltaEncoder(gain), place)

    def conv(self, token: ConvToken, place: _Place) -> _Place:
        self._check_spatial(token, place)
        padding = token.padding
        height, width = (token.kernel,) * 2 if isinstance(token.kernel, int) else token.kernel
        if padding is None:
            if height % 2 == 0 or width % 2 == 0:
                raise NetworkError(
                    f"{token.channels}C{token.kernel}: no padding keeps the size of the input with an even"
                    " kernel; use an odd one, or name the padding (16C4p0)"
                )
            padding = (token.dilation * (height // 2), token.dilation * (width // 2))
        weights = token.channels * place.shape[0] * height * width // token.groups
        self._check_size(token, (token.channels, *place.shape[1:]), weights)
        block = Conv(
            self._next("conv"),
            place.shape,
            token.channels,
            token.kernel,
            self.neuron,
            self.time_steps,
            padding,
            place.bound,
            place.divisor,
            stride=token.stride,
            dilation=token.dilation,
            groups=token.groups,
            bias=self.bias,
            norm=token.norm,
        )
        return self._synaptic(block, place)

    def dense(self, token: DenseToken, place: _Place) -> _Place:
        if len(place.shape) > 1:
            place = self.flatten(token, place)
        (inputs,) = place.shape
        self._check_size(token, (token.neurons,), token.neurons * inputs)
        arguments = (
            self._next("fc"),
            inputs,
            token.neurons,
            self.neuron,
            self.time_steps,
            place.bound,
            place.divisor,
        )
        if token.recurrent:
            block = Recurrent(*arguments, bias=self.bias)
        else:
            block = Dense(*arguments, bias=self.bias, norm=token.norm)
        return self._synaptic(block, place)

    def pool(self, token: PoolToken, place: _Place) -> _Place:
        self._check_spatial(token, place)
        name = self._next("pool")
        if token.kind == "sum":
            block = SpikingPool(
                name,
                place.shape,
                token.window,
                self.neuron,
                self.time_steps,
                token.stride,
                token.padding,
                place.bound,
                place.divisor,
            )
            return self._synaptic(block, place)
        pool = (SumPool if token.kind == "average" else MaxPool)(token.window, token.stride, token.padding)
        area = pool.area if token.kind == "average" else 1
        written = f"{'AP' if token.kind == 'average' else 'MP'}{token.window}"
        shape = pool.output_shape(f"{written} in {self.notation!r} ({name})", place.shape)
        place = replace(place, shape=shape, bound=place.bound * area, divisor=place.divisor * area)
        return self._add(name, pool, place)

    def flatten(self, _token: Token, place: _Place) -> _Place:
        return self._add(self._next("flatten"), Flatten(), replace(place, shape=(math.prod(place.shape),)))

    def dropout(self, token: DropoutToken, place: _Place) -> _Place:
        return self._add(self._next("dropout"), Dropout(token.probability), replace(place, rounds=True))

    def delay(self, token: DelayToken, place: _Place) -> _Place:
        if not place.spikes:
            raise NetworkError(
                f"Delay{token.highest} in {self.notation!r} has no layer of neurons before it, whose spikes"
                " it could delay"
            )
        if self.neuron.sends != "spikes":
            raise NetworkError(
                f"Delay{token.highest} in {self.notation!r} delays spikes; {type(self.neuron).__name__}"
                " units send none: remove it, or use LIF neurons"
            )
        return self._add(self._next("delay"), Delay(place.shape[0], token.highest), place)

    def residual(self, token: ResidualToken, place: _Place) -> _Place:
        body, shortcut = self.chain(token.body, place), self.chain(token.shortcut, place)
        if (body.shape, body.divisor) != (shortcut.shape, shortcut.divisor):
            raise NetworkError(
                f"a residual connection in {self.notation!r} adds {body.source} of shape {body.shape} (where"
                f" {body.divisor} stands for 1) and {shortcut.source} of shape {shortcut.shape} (where"
                f" {shortcut.divisor} does); both must agree: change the layers, or give the shortcut some of"
                " its own, Res(A|B)"
            )
        name = self._next("add")
        self.layers[name] = Addition()
        self.sources[name] = (body.source, shortcut.source)
        rounds = body.rounds or shortcut.rounds
        spikes = body.spikes or shortcut.spikes
        bound = body.bound + shortcut.bound
        return replace(body, source=name, bound=bound, rounds=rounds, spikes=spikes)

    def _synaptic(self, block: SynapticBlock, place: _Place) -> _Place:
        block.rounds, block.weight_bits = place.rounds, self.weight_bits
        after = _Place(place.source, block.output_shape, 1, block.output_divisor, spikes=True)
        return self._add(block.name, block, after)

    def _add(self, name: str, layer: nn.Module, place: _Place) -> _Place:
        self.layers[name] = layer
        self.sources[name] = (place.source,)
        return replace(place, source=name)

    def _next(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}{self._counts[kind]}"

    def _check_spatial(self, token: Token, place: _Place) -> None:
        if len(place.shape) != 3:
            raise NetworkError(
                f"{token} in {self.notation!r} needs an input of (C, H, W); here it is {place.shape}"
                " (it comes after a fully connected layer or Flatten, or input_shape is flat)"
            )

    def _check_size(self, token: Token, shape: tuple[int, ...], weights: int) -> None:
        if max(math.prod(shape), weights) > MAX_NEURONS:
            raise NetworkError(
                f"{token} makes {math.prod(shape)} neurons and {weights} weights; at most {MAX_NEURONS}"
            )


_ADDERS = {
    ConvToken: _Builder.conv,
    DenseToken: _Builder.dense,
    PoolToken: _Builder.pool,
    FlattenToken: _Builder.flatten,
    DropoutToken: _Builder.dropout,
    DelayToken: _Builder.delay,
    ResidualToken: _Builder.residual,
}


def check_arguments(input_shape: tuple[int, ...], time_steps: int, input_max: int) -> None:
    """Raise a :class:`~dpap.errors.NetworkError` if an argument of :func:`build` is out of range."""
    if len(input_shape) not in (1, 3) or any(int(n) != n or n < 1 for n in input_shape):
        raise NetworkError(f"input_shape {tuple(input_shape)}; expected (C, H, W) or (F,), each at least 1")
    if math.prod(input_shape) > MAX_NEURONS:
        raise NetworkError(f"input_shape {tuple(input_shape)} has more than {MAX_NEURONS} elements")
    check_time_steps(time_steps)
    if int(input_max) != input_max or not 1 <= input_max <= MOST_INPUT:
        raise NetworkError(f"input_max is {input_max}; expected a whole number from 1 to {MOST_INPUT}")
