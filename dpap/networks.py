"""Networks built from the papers' notation."""

import math

import torch
from torch import nn

from dpap.blocks import Conv, Dense, Flatten, SumPool, SynapticBlock
from dpap.errors import NetworkError
from dpap.neurons import LIF
from dpap.notation import ConvToken, DenseToken, FlattenToken, PoolToken, parse

MAX_NEURONS = 1 << 26
"""Neurons or weights of one layer beyond which a description is taken for a mistake."""


class Network(nn.Module):
    """A chain of blocks that runs in the integers it will be deployed with.

    Made by :func:`build`, or by :func:`dpap.from_slayer`.
    The input is whole numbers from 0 to ``input_max``: binary events (the default),
    or analog values of an encoder as graded spikes, where ``input_max`` stands for the real value 1.

    Attributes
    ----------
    notation, input_shape, time_steps, input_max, neuron
        What it was built from. A converted network's blocks may have other neurons, and other padding than
        the notation's.
    layers : ModuleDict
        Blocks in order, by name: ``conv1``, ``pool1``, ``fc1``, ...
    """

    def __init__(
        self,
        notation: str,
        input_shape: tuple[int, ...],
        time_steps: int,
        input_max: int,
        neuron: LIF,
        layers: dict[str, nn.Module],
    ):
        super().__init__()
        self.notation = notation
        self.input_shape = tuple(input_shape)
        self.time_steps = time_steps
        self.input_max = input_max
        self.neuron = neuron
        self.layers = nn.ModuleDict(layers)

    def synaptic_blocks(self) -> list[SynapticBlock]:
        """The blocks that have synapses and neurons, in order."""
        return [block for block in self.layers.values() if isinstance(block, SynapticBlock)]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Output spikes, in SLAYER's layout.

        Parameters
        ----------
        inputs : Tensor of shape (N, *input_shape, T) or (N, *input_shape)
            Whole numbers from 0 to ``input_max``. Without a time axis the input is the same at every step,
            and its synaptic sums are computed once.

        Returns
        -------
        Tensor of shape (N, classes, T)

        Raises
        ------
        NetworkError
            The shape does not fit, or a value is not a whole number in range.
        """
        activity = self._time_major(inputs)
        blocks = list(self.layers.values())
        while blocks:
            block = blocks.pop(0)
            if isinstance(block, SynapticBlock) and blocks and isinstance(blocks[0], SumPool):
                # One pass makes the spikes and their sums.
                activity = block(activity, pool=blocks.pop(0).window)
            else:
                activity = block(activity)
        return activity.permute(1, 2, 0)

    @torch.no_grad()
    def record(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Spikes of every layer of neurons, each ``(N, T, *layer shape)``, for inputs as in ``forward``."""
        activity = self._time_major(inputs)
        spikes = {}
        for name, block in self.layers.items():
            activity = block(activity)
            if isinstance(block, SynapticBlock):
                spikes[name] = activity.transpose(0, 1)
        return spikes

    def _time_major(self, inputs: torch.Tensor) -> torch.Tensor:
        dims, steps = len(self.input_shape), self.time_steps
        shape = tuple(inputs.shape)
        static = shape[1:] == self.input_shape
        if not static and shape[1:] != (*self.input_shape, steps):
            raise NetworkError(
                f"input of shape {shape}; expected (N, {', '.join(map(str, self.input_shape))}), the same at"
                f" every step, or with a last axis of T = {steps} steps"
            )
        inputs = inputs.to(next(self.parameters()).dtype)
        # One comparison finds NaN, infinities, fractions and values out of range alike.
        valid = (inputs >= 0) & (inputs <= self.input_max) & (inputs == inputs.round())
        if not bool(valid.all()):
            index = tuple(int(i) for i in (~valid).nonzero()[0])
            raise NetworkError(
                f"input at index {index} is {inputs[index].item():g}; expected whole numbers from 0 to"
                f" {self.input_max} (encode analog values first, or build with another input_max)"
            )
        if static:
            return inputs.unsqueeze(0)
        return inputs.permute(dims + 1, *range(dims + 1)).contiguous()


def build(
    notation: str,
    input_shape: tuple[int, ...],
    time_steps: int,
    *,
    input_max: int = 1,
    neuron: LIF | None = None,
) -> Network:
    """Build a network from the papers' notation (:mod:`dpap.notation`).

    Convolutions keep the size of their input. Average pools become sums, with the area in the next
    block's threshold. Weights are drawn from torch's global generator (``torch.manual_seed``).

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
    neuron : LIF, optional
        The neuron; by default the paper's.

    Raises
    ------
    NetworkError
        A token is unknown, a layer does not fit its input, or an argument is out of range.
    """
    check_arguments(input_shape, time_steps, input_max)
    neuron = neuron or LIF()
    shape = tuple(input_shape)
    bound = divisor = input_max
    layers: dict[str, nn.Module] = {}
    counts: dict[str, int] = {}

    def name_of_next(kind: str) -> str:
        counts[kind] = counts.get(kind, 0) + 1
        return f"{kind}{counts[kind]}"

    for token in parse(notation):
        if isinstance(token, ConvToken):
            _check_spatial(token, shape, notation)
            if token.kernel % 2 == 0:
                raise NetworkError(
                    f"{token.channels}C{token.kernel}: no padding keeps the size of the input with an even"
                    " kernel; use an odd one"
                )
            _check_size(token, (token.channels, *shape[1:]), token.channels * shape[0] * token.kernel**2)
            name = name_of_next("conv")
            padding = token.kernel // 2
            block = Conv(
                name,
                shape,
                token.channels,
                token.kernel,
                neuron,
                time_steps,
                padding,
                bound,
                divisor,
            )
            layers[name] = block
            shape, bound, divisor = block.output_shape, 1, 1
        elif isinstance(token, PoolToken):
            _check_spatial(token, shape, notation)
            if token.window > min(shape[1:]):
                raise NetworkError(
                    f"AP{token.window} in {notation!r}: the window is larger than its input of {shape}"
                )
            layers[name_of_next("pool")] = SumPool(token.window)
            shape = (shape[0], shape[1] // token.window, shape[2] // token.window)
            bound, divisor = bound * token.window**2, divisor * token.window**2
        elif isinstance(token, FlattenToken) or (isinstance(token, DenseToken) and len(shape) > 1):
            layers[name_of_next("flatten")] = Flatten()
            shape = (math.prod(shape),)
        if isinstance(token, DenseToken):
            _check_size(token, (token.neurons,), token.neurons * shape[0])
            name = name_of_next("fc")
            block = Dense(name, shape[0], token.neurons, neuron, time_steps, bound, divisor)
            layers[name] = block
            shape, bound, divisor = block.output_shape, 1, 1
    if not isinstance(block, Dense) or block is not list(layers.values())[-1]:
        raise NetworkError(f"{notation!r} must end with a fully connected layer, such as 10FC")
    return Network(notation, tuple(input_shape), time_steps, input_max, neuron, layers)


def check_arguments(input_shape: tuple[int, ...], time_steps: int, input_max: int) -> None:
    """Raise a :class:`~dpap.errors.NetworkError` if an argument of :func:`build` is out of range."""
    if len(input_shape) not in (1, 3) or any(int(n) != n or n < 1 for n in input_shape):
        raise NetworkError(f"input_shape {tuple(input_shape)}; expected (C, H, W) or (F,), each at least 1")
    if math.prod(input_shape) > MAX_NEURONS:
        raise NetworkError(f"input_shape {tuple(input_shape)} has more than {MAX_NEURONS} elements")
    if int(time_steps) != time_steps or not 1 <= time_steps <= 1 << 16:
        raise NetworkError(f"time_steps is {time_steps}; expected a whole number from 1 to {1 << 16}")
    if int(input_max) != input_max or not 1 <= input_max <= (1 << 16) - 1:
        raise NetworkError(f"input_max is {input_max}; expected a whole number from 1 to {(1 << 16) - 1}")


def _check_spatial(token, shape, notation) -> None:
    if len(shape) != 3:
        raise NetworkError(
            f"{token} in {notation!r} needs an input of (C, H, W); here it is {shape}"
            " (it stands after a fully connected layer or Flatten, or input_shape is flat)"
        )


def _check_size(token, shape, weights) -> None:
    if max(math.prod(shape), weights) > MAX_NEURONS:
        raise NetworkError(
            f"{token} makes {math.prod(shape)} neurons and {weights} weights; at most {MAX_NEURONS}"
        )
