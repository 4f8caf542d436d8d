"""A network of stock SLAYER blocks as one of ours."""

import math

import torch
from torch import nn

from dpap import blocks
from dpap.errors import NetworkError
from dpap.networks import Network, check_arguments
from dpap.slayer import sigma_delta
from dpap.slayer.pool import SumPool
from dpap.slayer.stock import blocks_of, label, read_neuron, read_weight, stock_kind


def from_slayer(net: nn.Module, input_shape: tuple[int, ...], time_steps: int, input_max: int = 1) -> Network:
    """A network of stock CUBA blocks as a :class:`dpap.networks.Network` with the same spikes.

    Each block keeps its own scale, threshold and decays, and its weights as its quantiser rounds them:
    even, -256 to 254. They are proven to stay within Lava's 24 bits. Weight norm is resolved, masks of
    :class:`dpap.DPAP`, of ``mask=`` and of torch's pruning become masks. ``net`` is not changed.

    The blocks are taken to follow each other; what else ``net``'s forward does is not seen. Its
    inputs are whole numbers as they are, not divided by ``input_max``.

    ``delay_shift=True`` is dropped: it delays each layer by a step and changes nothing else. The spikes at t
    of a layer behind k blocks that shift, itself included, are those at t - k here, with zeros before.

    Of ``slayer.block.sigma_delta`` blocks it is a network of :class:`dpap.ReLU` units with the same messages,
    where SLAYER's float32 holds its sums. The first is an Input with a neuron, whose input 2 / scale is our
    1, or a :class:`dpap.slayer.sigma_delta.DeltaEncoder`.

    Parameters
    ----------
    net : nn.Module
        A Sequential or ModuleList of ``slayer.block.cuba`` Conv, Dense, Flatten, Input without neurons, and
        :class:`dpap.slayer.SumPool`; or a module with such ``blocks``. The last is a Dense. Or the same of
        ``slayer.block.sigma_delta``, with :class:`dpap.slayer.sigma_delta.MaxPool`.
    input_shape : tuple of int
        ``(C, H, W)`` or ``(F,)``.
    time_steps : int
        Steps an inference takes.
    input_max : int
        Largest input.

    Raises
    ------
    InputError
        ``net`` has no blocks.
    NetworkError
        A block has no counterpart or does not fit, named with its index, kind and what to do; or a layer
        can leave 24 bits.
    """
    if sigma_delta.is_stock(net):
        return sigma_delta.from_stock(net, input_shape, time_steps, input_max)
    check_arguments(input_shape, time_steps, input_max)
    chain = _Chain(tuple(input_shape), time_steps, input_max)
    for index, block in enumerate(blocks_of(net)):
        where = label(index, block)
        if isinstance(block, SumPool):
            chain.pool(block, where)
        elif stock_kind(block) in _ADDERS:
            _ADDERS[stock_kind(block)](chain, block, where)
        else:
            raise NetworkError(f"{where} has no counterpart: {_remedy(stock_kind(block))}")
    if not chain.layers or not isinstance(list(chain.layers.values())[-1], blocks.Dense):
        raise NetworkError("the last block must be a cuba.Dense, whose neurons are the classes; add one")
    network = Network(
        "-".join(chain.tokens), tuple(input_shape), time_steps, input_max, chain.neuron, chain.layers
    )
    return network.train(net.training)


class _Chain:
    """Layers so far, and the shape and bound of what comes next."""

    def __init__(self, shape, time_steps, bound):
        self.shape, self.time_steps, self.bound = shape, time_steps, bound
        self.layers: dict[str, nn.Module] = {}
        self.tokens: list[str] = []
        self.neuron = None
        self._counts: dict[str, int] = {}

    def input(self, block, where) -> None:
        if block.neuron is not None:
            raise NetworkError(
                f"{where} has neurons of its own, without synapses: encode the input before, as whole numbers"
            )

    def flatten(self, block, where) -> None:
        if len(self.shape) != 3:
            raise NetworkError(f"{where} takes (C, H, W); here it is {self.shape}: remove it")
        self._add("flatten", blocks.Flatten())
        self.shape = (math.prod(self.shape),)

    def pool(self, block, where) -> None:
        if len(self.shape) != 3 or block.window > min(self.shape[1:]):
            raise NetworkError(f"{where}: a window of {block.window} does not fit its input of {self.shape}")
        self._add("pool", blocks.SumPool(block.window))
        self.tokens.append(f"AP{block.window}")
        channels, height, width = self.shape
        self.shape = (channels, height // block.window, width // block.window)
        self.bound *= block.window**2

    def conv(self, block, where) -> None:
        synapse = block.synapse
        if len(self.shape) != 3 or synapse.in_channels != self.shape[0]:
            raise NetworkError(
                f"{where} takes {synapse.in_channels} channels; its input here is {self.shape}"
            )
        kernel, padding = synapse.kernel_size[:2], synapse.padding[:2]
        for value, expected, name in (
            (synapse.stride[:2], (1, 1), "stride"),
            (synapse.dilation[:2], (1, 1), "dilation"),
            (synapse.groups, 1, "groups"),
            (kernel, (kernel[0],) * 2, "kernel_size"),
            (padding, (padding[0],) * 2, "padding"),
        ):
            if value != expected:
                raise NetworkError(
                    f"{where}: its {name} is {value}; our convolutions have {expected}: train it so, with a"
                    " SumPool for a stride"
                )
        if kernel[0] > min(self.shape[1:]) + 2 * padding[0]:
            raise NetworkError(f"{where}: a kernel of {kernel[0]} does not fit its input of {self.shape}")
        neuron, scale = read_neuron(block, where)
        made = blocks.Conv(
            self._next("conv"),
            self.shape,
            synapse.out_channels,
            kernel[0],
            neuron,
            self.time_steps,
            padding[0],
            input_bound=self.bound,
            scale=scale,
        )
        self.tokens.append(f"{synapse.out_channels}C{kernel[0]}")
        self._synaptic("conv", made, block, where)

    def dense(self, block, where) -> None:
        synapse = block.synapse
        if synapse.kernel_size != (1, 1, 1):
            raise NetworkError(
                f"{where} takes (W, H, C) at once: put a Flatten before, and one number of inputs"
            )
        if self.shape != (synapse.in_channels,):
            raise NetworkError(
                f"{where} takes {synapse.in_channels} inputs; here they are {self.shape}"
                + (": put a Flatten before" if len(self.shape) == 3 else "")
            )
        neuron, scale = read_neuron(block, where)
        made = blocks.Dense(
            self._next("fc"),
            synapse.in_channels,
            synapse.out_channels,
            neuron,
            self.time_steps,
            input_bound=self.bound,
            scale=scale,
        )
        self.tokens.append(f"{synapse.out_channels}FC")
        self._synaptic("fc", made, block, where)

    def _synaptic(self, kind, made, block, where) -> None:
        weight, mask = read_weight(block, where)
        with torch.no_grad():
            made.weight.data = weight.reshape(made.weight.shape)
            made.mask = mask.reshape(made.mask.shape)
            try:
                made.integer_parameters()
            except NetworkError as error:
                raise NetworkError(f"{where}: {error}") from None
        self._add(kind, made)
        self.shape, self.bound, self.neuron = made.output_shape, 1, made.neuron

    def _next(self, kind) -> str:
        return f"{kind}{self._counts.get(kind, 0) + 1}"

    def _add(self, kind, block) -> None:
        self.layers[self._next(kind)] = block
        self._counts[kind] = self._counts.get(kind, 0) + 1


_ADDERS = {
    "Input": _Chain.input,
    "Flatten": _Chain.flatten,
    "Conv": _Chain.conv,
    "Dense": _Chain.dense,
}


def _remedy(kind: str | None) -> str:
    if kind == "Pool":
        return "a stock pool has neurons; use dpap.slayer.SumPool(window), a cuba.Conv takes its sums"
    if kind in ("Recurrent", "KWTA"):
        return "recurrent synapses are not supported; use cuba.Dense"
    return "use cuba.Conv, cuba.Dense, cuba.Flatten, cuba.Input without neurons, and dpap.slayer.SumPool"
