"""The base class of blocks with synapses.

Inside a network tensors are time-major, ``(T, N, *shape)``, so that time folds into the batch for
synapses and one step of all neurons is contiguous. An input that is the same at every step may have a
single step, ``(1, N, *shape)``: its synaptic sums are then computed once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from dpap.blocks.dynamics import Dynamics, Integers, Pass
from dpap.blocks.norm import BatchNorm, Statistics
from dpap.blocks.relu import ReLUDynamics, ReLUIntegers
from dpap.blocks.spiking import Spiking
from dpap.errors import NetworkError
from dpap.neurons import Neuron
from dpap.neurons.currents import OnOverflow
from dpap.quantization import straight_through
from dpap.quantization.weight_bits import MARGIN, MOST_BITS, quantized_alone

Shape = tuple[int, ...]

GradientObserver = Callable[[torch.Tensor], None]
"""Is given the gradient of a layer's masked weight, of the weight's shape."""

Observer = Callable[[torch.Tensor, torch.Tensor], None]
"""Is given the inputs and the activity of a forward pass, both time-major."""


_NARROWING = 0.01
"""How far a smaller current draws a range towards itself in a pass of training."""

DYNAMICS: dict[str, Dynamics] = {"lif": Spiking(), "relu": ReLUDynamics()}
"""What a block does with its sums, by the ``type`` of its neuron."""


class SynapticBlock(nn.Module, ABC):
    r"""Synapses and the neurons that they drive.

    The forward pass runs in the integers that are deployed: weights are quantised at the layer's scale, and
    their sums drive :class:`dpap.LIF` neurons (:mod:`dpap.blocks.spiking`) or :class:`dpap.ReLU` units
    (:mod:`dpap.blocks.relu`). A synapse whose ``mask`` is zero is absent in every pass. A neuron without a
    remaining synapse is silent: neither its bias nor its normalisation can make it fire.

    Parameters
    ----------
    name : str
        Name of the layer, as in ``conv1``.
    weight_shape : tuple of int
        Shape of the weight, outputs first.
    input_shape, output_shape : tuple of int
        Shapes without batch and time, ``(C, H, W)`` or ``(F,)``.
    neuron : LIF or ReLU
        The neuron.
    time_steps : int
        Steps between two resets.
    input_bound : int
        The largest integer input; of no use to ReLU units, whose inputs have no bound.
    input_divisor : int or float
        The integer that stands for the real input 1; a fraction behind ReLU units. After a pool that sums a
        window both hold its area, so that the sum acts as the average.
    scale : int, optional
        Integer units of a real weight of 1, where it is not the block's to choose (a block that comes from
        stock SLAYER); its weights are then clipped to -256 to 254. By default
        :func:`dpap.quantization.scaling.weight_scale` or
        :func:`dpap.quantization.power_of_two.weight_exponent` chooses it in every pass.
    bias : bool
        Whether a learned constant is added to each membrane potential in every step, or to each activation.
    norm : bool
        Whether synaptic sums are normalised over the batch (:class:`~dpap.blocks.BatchNorm`); it has a bias.

    Attributes
    ----------
    weight : Parameter
        Real weights.
    bias : Parameter of shape (out,) or None
        Real biases.
    norm : BatchNorm or None
        Normalisation.
    mask : Tensor
        1 where a synapse is alive, 0 where it is pruned; broadcast over a convolution's kernel.
    weight_bits : int or None
        1 to 8 bits for each weight (:mod:`dpap.quantization.weight_bits`); 8 at first. None: weights are not
        rounded, and the block cannot be compiled; each sum is then rounded to the finest unit of the neurons
        that is safe. Of no effect where the block has a ``scale`` of its own.
    current_range : Tensor
        Of spiking neurons: the largest magnitude of a current in real units that training or
        :func:`dpap.calibrate` observed, 0 before that. It sets the scale where no proof leaves the weights
        their bits.
    range_margin : float
        How much larger than that a current may become.
    calibrating : bool
        Whether evaluation, too, widens the range, and never narrows it.
    on_overflow : str
        ``raise``, or ``wrap`` to run on as Lava does where a current leaves its range.
    rounds : bool
        Whether inputs may be fractions in training (behind a :class:`~dpap.blocks.Dropout`), so that sums
        have to be rounded.
    observers : list of callables
        Each is given the inputs and the activity of every forward pass in training: spikes
        ``(T, N, *output_shape)``, or where a pool follows their sums over positions ``(T, N, C)``;
        activations of ReLU units in whole messages, ``(T or 1, N, *output_shape)``.

    Raises
    ------
    NetworkError
        The block cannot have such neurons.
    """

    kind: Literal["conv", "dense", "pool"]

    prunable = True
    """Whether the synapses are learned, and may be pruned."""

    groups = 1
    """Parts that inputs and outputs are divided into, each connected within itself only."""

    neurons: tuple[str, ...] = tuple(DYNAMICS)
    """Types of neurons that the block can have."""

    def __init__(
        self,
        name: str,
        weight_shape: Shape,
        input_shape: Shape,
        output_shape: Shape,
        neuron: Neuron,
        time_steps: int,
        input_bound: int,
        input_divisor: float,
        scale: int | None = None,
        bias: bool = False,
        norm: bool = False,
    ):
        super().__init__()
        if neuron.type not in self.neurons:
            raise NetworkError(
                f"{name}: a {type(self).__name__} block cannot have {type(neuron).__name__} neurons; expected"
                f" {' or '.join(self.neurons)}"
            )
        self.name = name
        self.input_shape, self.output_shape = tuple(input_shape), tuple(output_shape)
        self.neuron = neuron
        self.time_steps = time_steps
        self.input_bound, self.input_divisor = input_bound, input_divisor
        self.scale = scale
        self.weight_bits: int | None = MOST_BITS
        self.rounds = False
        self.range_margin = MARGIN
        self.calibrating = False
        self.on_overflow: OnOverflow = "raise"
        self.observers: list[Observer] = []
        self.gradient_watches: list[tuple[GradientObserver, Callable[[], bool]]] = []
        self.weight = nn.Parameter(torch.empty(weight_shape))
        self.dynamics.initialize(self.weight)
        self.bias = None
        if bias and not norm:
            limit = self.weight[0].numel() ** -0.5
            self.bias = nn.Parameter(torch.empty(weight_shape[0]).uniform_(-limit, limit))
        self.norm = BatchNorm(weight_shape[0]) if norm else None
        kernel = (1,) * (len(weight_shape) - 2)
        self.register_buffer("mask", torch.ones(*weight_shape[:2], *kernel))
        for remembered, value in self.dynamics.buffers().items():
            self.register_buffer(remembered, value)

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        # Before ranges were observed, there was none to keep; a state without the block says nothing of it.
        if f"{prefix}weight" in state_dict:
            for name, value in self.dynamics.buffers().items():
                state_dict.setdefault(f"{prefix}{name}", value)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @property
    def masked_weight(self) -> torch.Tensor:
        """Real weights with pruned synapses at zero."""
        masked = self.weight * self.mask
        if self.gradient_watches and self.training and masked.requires_grad:
            for observer, wanted in self.gradient_watches:
                if wanted():
                    masked.register_hook(observer)
        return masked

    @property
    def alive(self) -> torch.Tensor:
        """1 for each neuron (or channel) that has a remaining synapse, 0 for others, ``(out,)``."""
        return self.mask.flatten(1).amax(1)

    def real_parameters(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Real weights and biases of an inference: masked, and with the normalisation folded in."""
        weight, bias = self.masked_weight, self.bias
        if self.norm is not None:
            weight, bias = self.norm.fold(weight)
        return weight, None if bias is None else bias * self.alive

    @property
    def dynamics(self) -> Dynamics:
        """The dynamics of the block's neurons."""
        return DYNAMICS[self.neuron.type]

    @property
    def output_divisor(self) -> float:
        """The integer that stands for the real activation 1 in what the block gives: 1 for spikes."""
        return self.dynamics.output_divisor(self)

    @property
    def observing(self) -> bool:
        """Whether passes change the range of the currents."""
        return self.training or self.calibrating

    @property
    def observed_range(self) -> float | None:
        """``current_range`` as a number; None before there is one."""
        return self.current_range.item() or None

    def observe(self, reached: float, rounding: float = 0.0) -> None:
        """Take the largest current of a pass, in real units, into the range.

        A larger one is the new range. A smaller one draws it down by a hundredth of the difference in
        training, and not at all while calibrating.

        Parameters
        ----------
        reached : float
        rounding : float
            Share by which it may exceed the range and be no larger: what rounding adds to weights at the
            scale that follows from a range must not widen that range again.
        """
        known = self.observed_range
        if known is not None and known <= reached <= known * (1 + rounding):
            return
        if known is not None and reached < known:
            if self.calibrating:
                return
            reached = known + _NARROWING * (reached - known)
        self.current_range.fill_(reached)

    @property
    def quantized(self) -> bool:
        """Whether the weights that the block runs with are integers."""
        return self.scale is not None or self.weight_bits is not None

    def check_quantized(self) -> None:
        """Raise a :class:`~dpap.errors.NetworkError` unless the weights are integers."""
        if not self.quantized:
            raise NetworkError(
                f"{self.name}: its weights are not rounded (weight_bits is None); quantise the network with"
                " dpap.quantize, or build it with weight_bits from 1 to 8"
            )

    def integer_parameters(self) -> Integers | ReLUIntegers:
        """Weights, scale, threshold and biases as they are deployed, and the shift of ReLU units.

        Raises
        ------
        NetworkError
            No scale keeps the layer within Lava's 24 bits.
        """
        return self.dynamics.integers(self, *self.real_parameters())

    def watch(self, observer: Observer) -> Callable[[], None]:
        """Let ``observer`` see every forward pass in training; the result ends that."""
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)

    def watch_gradient(self, observer: GradientObserver, wanted: Callable[[], bool]) -> Callable[[], None]:
        """Let ``observer`` see the gradient of the masked weight, pruned synapses included, in training.

        Parameters
        ----------
        observer : callable
            Is given it in every backward pass, of the weight's shape.
        wanted : callable
            Is asked in each forward pass; a pass that is not wanted costs nothing.

        Returns
        -------
        callable
            Ends it; to be called once.
        """
        watch = observer, wanted
        self.gradient_watches.append(watch)
        return lambda: self.gradient_watches.remove(watch)

    @abstractmethod
    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Synaptic sums of ``(B, *input_shape)`` inputs, ``(B, *output_shape)``."""

    def forward(self, inputs: torch.Tensor, pool: int = 1) -> torch.Tensor:
        """Spikes of the block, or activations of ReLU units in whole messages.

        Parameters
        ----------
        inputs : Tensor of shape (T or 1, N, *input_shape)
            Whole numbers.
        pool : int
            Window of a :class:`~dpap.blocks.SumPool` that follows, to be computed along with the spikes.

        Returns
        -------
        Tensor of shape (T, N, *output_shape), or that of the pool; of ReLU units (T or 1, ...), as the input
        """
        learned = self.norm.statistics() if self._normalizes else None
        sums, integers, *_ = self.dynamics.settled(self, lambda: self._pass(inputs, learned))
        outputs, activity = self.dynamics.respond(self, sums, integers, pool)
        if self.training:
            self.show(inputs, activity)
        return outputs

    @property
    def _normalizes(self) -> bool:
        """Whether sums are normalised by their batch."""
        return self.training and self.norm is not None and not self.norm.frozen

    def _pass(self, inputs: torch.Tensor, statistics: Statistics | None) -> Pass:
        """Sums of a pass, and the integers that they are of; statistics are those to start from."""
        if statistics is not None:
            # A pass may be run again, and its batch is to count once.
            self.norm.set_statistics(statistics)
            sums, integers = self._normalized_sums(inputs)
        else:
            integers = self.integer_parameters()
            sums = self.dynamics.sums(self, inputs, integers)
            if self.training and self.rounds:
                sums = straight_through.round_straight_through(sums)
        return self.dynamics.passed(self, sums, integers)

    def show(self, inputs: torch.Tensor, activity: torch.Tensor) -> None:
        """Show a forward pass to the observers."""
        for observer in self.observers:
            observer(inputs, activity.detach())

    def sums_over_time(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Synaptic sums of ``(T or 1, N, *input_shape)`` inputs."""
        return self.synapse(inputs.flatten(0, 1), weight).unflatten(0, inputs.shape[:2])

    def _normalized_sums(self, inputs: torch.Tensor) -> tuple[torch.Tensor, Integers | ReLUIntegers]:
        """Sums normalised by their batch, in the units that the folded weights will have, biases included."""
        with torch.no_grad():
            folded = self.integer_parameters()
        weight, scale = quantized_alone(self.masked_weight, self.weight_bits, self.name)
        sums = self.sums_over_time(inputs, weight)
        normalized = self.norm(
            sums.flatten(0, 1), scale * self.input_divisor, folded.scale * self.input_divisor, self.alive
        ).unflatten(0, sums.shape[:2])
        limit = self.dynamics.sum_limit - 1
        rounded = straight_through.round_straight_through(normalized.clamp(-limit, limit))
        return rounded, self.dynamics.normalized(folded)

    def extra_repr(self) -> str:
        """Name and shapes, for the module's printed form."""
        return f"{self.name}: {self.input_shape} -> {self.output_shape}"
