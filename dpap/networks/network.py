"""A network of blocks."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dpap.blocks import Concatenation, MaxPool, SumPool, SynapticBlock
from dpap.blocks.block import DYNAMICS
from dpap.errors import NetworkError
from dpap.limits import MOST_STEPS
from dpap.neurons import Neuron
from dpap.neurons.currents import OnOverflow, check_on_overflow
from dpap.quantization.weight_bits import check_margin

INPUT = "input"
"""Name of the network's input among the sources of a layer."""


def check_time_steps(time_steps: int) -> None:
    """Raise a :class:`~dpap.errors.NetworkError` unless a network can run so many steps."""
    if int(time_steps) != time_steps or not 1 <= time_steps <= MOST_STEPS:
        raise NetworkError(f"time_steps is {time_steps}; expected a whole number from 1 to {MOST_STEPS}")


class Network(nn.Module):
    """Blocks that run in the integers they will be deployed with.

    Made by :func:`build`, :func:`named`, or :func:`dpap.from_slayer`.
    The input is whole numbers from 0 to ``input_max``: binary events (the default),
    or analog values of an encoder as graded spikes, where ``input_max`` stands for the real value 1.

    The ``state_dict`` holds, for each synaptic block such as ``layers.conv1``:

    ============================  ===================================================================
    key                           value
    ============================  ===================================================================
    ``layers.conv1.weight``       real weights, ``(out, in / groups, height, width)`` or ``(out, in)``;
                                  a recurrent block's ``(out, in + out)``
    ``layers.conv1.mask``         1 where a synapse (or kernel) is alive, ``(out, in / groups, 1, 1)`` or
                                  ``(out, in)``; pruned weights keep their values but count for nothing
    ``layers.conv1.bias``         real biases ``(out,)``, where the block has them
    ``layers.conv1.norm.*``       ``weight``, ``bias``, ``running_mean``, ``running_var``, each ``(out,)``,
                                  where it is normalised
    ``layers.conv1.current_range``  the largest current in real units that was observed, 0 before that;
                                  of spiking blocks
    ``layers.delay1.delay``       axonal delays in steps, ``(channels,)``
    ============================  ===================================================================

    Scales, thresholds and integer weights follow from these: ``block.integer_parameters()``.

    Parameters
    ----------
    layers : dict of str to Module
        In an order in which every layer comes after its sources.
    sources : dict of str to tuple of str, optional
        Names of the layers that each layer takes its input from, :data:`INPUT` for the network's; by
        default each takes the one before.

    Attributes
    ----------
    notation, input_shape, time_steps, input_max, neuron, bias
        What it was built from. A converted network's blocks may have other neurons, strides, padding and
        groups than the notation's.
    described : bool
        Whether :func:`build` makes the same blocks of these again; not so of a converted network.
    layers : ModuleDict
        Blocks in order, by name: ``conv1``, ``pool1``, ``fc1``, ...
    sources : dict of str to tuple of str
        Names of each layer's sources.
    """

    def __init__(
        self,
        notation: str,
        input_shape: tuple[int, ...],
        time_steps: int,
        input_max: int,
        neuron: Neuron,
        layers: dict[str, nn.Module],
        sources: dict[str, tuple[str, ...]] | None = None,
        bias: bool = False,
        described: bool = False,
    ):
        super().__init__()
        self.notation = notation
        self.input_shape = tuple(input_shape)
        self.input_max = input_max
        self.neuron = neuron
        self.bias = bias
        self.described = described
        self.layers = nn.ModuleDict(layers)
        self.time_steps = time_steps
        if sources is None:
            before = [INPUT, *layers]
            sources = {name: (before[index],) for index, name in enumerate(layers)}
        self.sources = sources
        self._uses = Counter(source for names in sources.values() for source in names)
        # One pass makes the spikes and their sums, where nothing else takes the spikes.
        self._pooled_by = {
            sources[name][0]: name
            for name, layer in layers.items()
            if isinstance(layer, SumPool)
            and layer.tiles
            and isinstance(layers.get(sources[name][0]), SynapticBlock)
            and self._uses[sources[name][0]] == 1
        }

    @property
    def time_steps(self) -> int:
        """T, the steps of an inference. It may be changed; what is learned stays as it is."""
        return self._time_steps

    @time_steps.setter
    def time_steps(self, time_steps: int) -> None:
        check_time_steps(time_steps)
        self._time_steps = int(time_steps)
        for block in self.synaptic_blocks():
            block.time_steps = self._time_steps

    @property
    def range_margin(self) -> float:
        """How much larger than those observed currents may become, where no proof bounds them; at least 1."""
        return self._last.range_margin

    @range_margin.setter
    def range_margin(self, margin: float) -> None:
        check_margin(margin)
        for block in self.synaptic_blocks():
            block.range_margin = float(margin)

    @contextmanager
    def overflowing(self, on_overflow: OnOverflow) -> Iterator[None]:
        """Within the context evaluation raises an error where a current leaves its range, or wraps it.

        Parameters
        ----------
        on_overflow : str
            ``raise`` (the default without a context) or ``wrap``, as Lava does.
        """
        check_on_overflow(on_overflow)
        usual = [block.on_overflow for block in self.synaptic_blocks()]
        for block in self.synaptic_blocks():
            block.on_overflow = on_overflow
        try:
            yield
        finally:
            for block, before in zip(self.synaptic_blocks(), usual, strict=True):
                block.on_overflow = before

    @contextmanager
    def running(self, time_steps: int) -> Iterator[None]:
        """Run so many steps within the context."""
        usual = self.time_steps
        self.time_steps = time_steps
        try:
            yield
        finally:
            self.time_steps = usual

    def synaptic_blocks(self) -> list[SynapticBlock]:
        """The blocks that have synapses and neurons, in order."""
        return [block for block in self.layers.values() if isinstance(block, SynapticBlock)]

    @property
    def _last(self) -> SynapticBlock:
        return self.synaptic_blocks()[-1]

    def freeze_statistics(self, frozen: bool = True) -> None:
        """Let batch normalisations train on the integers that are deployed, and keep their statistics."""
        for block in self.synaptic_blocks():
            if block.norm is not None:
                block.norm.frozen = frozen

    def sources_of(self, name: str) -> tuple[str, ...]:
        """Blocks with prunable synapses whose spikes reach a layer with nothing prunable between.

        Where there are several their spikes are added, on the way, channel by channel. The network's input is
        named :data:`INPUT`, and so is a :class:`~dpap.blocks.Concatenation`: its channels belong to several
        blocks, and each may carry spikes as long as the layer exists.
        """
        found: list[str] = []
        for source in self.sources[name]:
            block = None if source == INPUT else self.layers[source]
            if block is None or (isinstance(block, SynapticBlock) and block.prunable):
                found.append(source)
            elif isinstance(block, Concatenation):
                found.append(INPUT)
            else:
                found.extend(self.sources_of(source))
        return tuple(dict.fromkeys(found))

    def sums_exactly(self, source: str, target: str) -> bool:
        """Whether the inputs of ``target`` have the same sums over positions as the spikes of ``source``.

        So it is where at most one sum pool is between, and its windows tile all of its input.
        """
        (name,) = self.sources[target] if len(self.sources[target]) == 1 else (None,)
        if name is None or name == INPUT:
            return False
        if name == source:
            return True
        pool = self.layers[name]
        if not (isinstance(pool, SumPool) and pool.tiles):
            return False
        return self._left_out(name) == (0, 0) and self.sums_exactly(source, name)

    def _left_out(self, pool: str) -> tuple[int, int]:
        """Rows and columns that the windows of a pool leave out."""
        (name,) = self.sources[pool]
        if name == INPUT:
            shape = self.input_shape
        elif isinstance(self.layers[name], SynapticBlock):
            shape = self.layers[name].output_shape
        else:
            return (1, 1)
        window = self.layers[pool].window
        return shape[1] % window, shape[2] % window

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Output spikes, in SLAYER's layout; with ReLU units real-valued logits.

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
        ActivationOverflow
            A current leaves its range in evaluation (:meth:`overflowing`); of ReLU units, an activation.
        """
        activity = {INPUT: self._time_major(inputs)}
        uses = Counter(self._uses)
        output = None
        for name, block in self.layers.items():
            if name in activity:
                # Made along with its source's spikes.
                output = activity[name]
                continue
            pool = self._pooled_by.get(name)
            if pool is None:
                output = activity[name] = block(*(activity[source] for source in self.sources[name]))
            else:
                output = activity[pool] = block(
                    activity[self.sources[name][0]], pool=self.layers[pool].window
                )
            for source in self.sources[name]:
                uses[source] -= 1
                if not uses[source]:
                    del activity[source]
        return self._last.dynamics.readout(self._last, output).permute(1, 2, 0)

    @torch.no_grad()
    def record(self, inputs: torch.Tensor, names: Collection[str] | None = None) -> dict[str, torch.Tensor]:
        """The activity of layers, each ``(N, T, *layer shape)``, for inputs as in ``forward``.

        Spikes, 0 or 1; of ReLU units, and of pools and sums of these, changes in whole messages.

        Parameters
        ----------
        inputs : Tensor
        names : collection of str, optional
            Layers; by default those of neurons. Maximum pools over spikes are among them: on hardware they
            are neurons too.
        """
        if names is None:
            names = [name for name, block in self.layers.items() if self._has_neurons(block)]
        activity = {INPUT: self._time_major(inputs)}
        for name, block in self.layers.items():
            activity[name] = block(*(activity[source] for source in self.sources[name]))
        return {
            name: self._sent(block, activity[name]).transpose(0, 1)
            for name, block in self.layers.items()
            if name in names
        }

    def _has_neurons(self, block: nn.Module) -> bool:
        return isinstance(block, SynapticBlock) or (
            isinstance(block, MaxPool) and self.neuron.sends == "spikes"
        )

    def _sent(self, block: nn.Module, activity: torch.Tensor) -> torch.Tensor:
        dynamics = block.dynamics if isinstance(block, SynapticBlock) else DYNAMICS[self.neuron.sends]
        return dynamics.messages(activity, self.time_steps)

    def _time_major(self, inputs: torch.Tensor) -> torch.Tensor:
        dims, steps = len(self.input_shape), self.time_steps
        if not isinstance(inputs, torch.Tensor) or inputs.is_complex():
            kind = inputs.dtype if isinstance(inputs, torch.Tensor) else type(inputs).__name__
            raise NetworkError(f"the input is {kind}; expected a Tensor of real numbers")
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
