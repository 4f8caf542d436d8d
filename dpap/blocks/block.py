"""What blocks have in common.

Inside a network tensors are time-major, ``(T, N, *shape)``, so that time folds into the batch for
synapses and one step of all neurons is contiguous. An input that is the same at every step may have a
single step, ``(1, N, *shape)``: its synaptic sums are then computed once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import nn

from dpap import quantization
from dpap.blocks.norm import BatchNorm
from dpap.neurons import LIF, Population, lif, lif_pool

Shape = tuple[int, ...]

Observer = Callable[[torch.Tensor, torch.Tensor], None]
"""Is given the inputs and the activity of a forward pass, both time-major."""


class Integers(NamedTuple):
    """The whole numbers of a block, as they are deployed.

    Attributes
    ----------
    weight : Tensor
        Integer weights, in a float dtype.
    scale : float
        Integer units of a real weight of 1.
    threshold : int
        Threshold mantissa.
    bias : Tensor of shape (out,) or None
        Integer biases, in a float dtype.
    """

    weight: torch.Tensor
    scale: float
    threshold: int
    bias: torch.Tensor | None


class SynapticBlock(nn.Module, ABC):
    r"""Synapses and the neurons that they drive.

    The forward pass runs in the integers that are deployed: weights are quantised at the layer's scale
    (:mod:`dpap.quantization`), and their sums drive :func:`dpap.neurons.lif`.
    A synapse whose ``mask`` is zero is absent in every pass. A neuron without a living synapse is silent:
    neither its bias nor its normalisation can make it fire.

    Parameters
    ----------
    name : str
        Name of the layer, as in ``conv1``.
    weight_shape : tuple of int
        Shape of the weight, outputs first.
    input_shape, output_shape : tuple of int
        Shapes without batch and time, ``(C, H, W)`` or ``(F,)``.
    neuron : LIF
        The neuron.
    time_steps : int
        Steps between two resets.
    input_bound, input_divisor : int
        The largest integer input, and the integer that stands for the real input 1. After a pool that sums
        a window both hold its area, so that the sum acts as the average.
    scale : int, optional
        Integer units of a real weight of 1, where it is not the block's to choose (a block that comes from
        stock SLAYER); its weights are then clipped to -256 to 254. By default
        :func:`dpap.quantization.weight_scale` chooses it in every pass.
    bias : bool
        Whether a learned constant is added to each membrane potential in every step.
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
        1 where a synapse lives, 0 where it is pruned; broadcast over a convolution's kernel.
    rounds : bool
        Whether inputs may be fractions in training (behind a :class:`~dpap.blocks.Dropout`), so that sums
        have to be rounded.
    observers : list of callables
        Each is given the inputs and the activity of every forward pass in training: spikes
        ``(T, N, *output_shape)``, or where a pool follows their sums over positions ``(T, N, C)``.
    """

    kind: Literal["conv", "dense", "pool"]

    prunable = True
    """Whether the synapses are learned, and may be pruned."""

    def __init__(
        self,
        name: str,
        weight_shape: Shape,
        input_shape: Shape,
        output_shape: Shape,
        neuron: LIF,
        time_steps: int,
        input_bound: int,
        input_divisor: int,
        scale: int | None = None,
        bias: bool = False,
        norm: bool = False,
    ):
        super().__init__()
        self.name = name
        self.input_shape, self.output_shape = tuple(input_shape), tuple(output_shape)
        self.neuron = neuron
        self.time_steps = time_steps
        self.input_bound, self.input_divisor = input_bound, input_divisor
        self.scale = scale
        self.rounds = False
        self.observers: list[Observer] = []
        self.weight = nn.Parameter(torch.empty(weight_shape))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.bias = None
        if bias and not norm:
            limit = self.weight[0].numel() ** -0.5
            self.bias = nn.Parameter(torch.empty(weight_shape[0]).uniform_(-limit, limit))
        self.norm = BatchNorm(weight_shape[0]) if norm else None
        kernel = (1,) * (len(weight_shape) - 2)
        self.register_buffer("mask", torch.ones(*weight_shape[:2], *kernel))

    @property
    def masked_weight(self) -> torch.Tensor:
        """Real weights with pruned synapses at zero."""
        return self.weight * self.mask

    @property
    def living(self) -> torch.Tensor:
        """1 for each neuron (or channel) that has a living synapse, 0 for others, ``(out,)``."""
        return self.mask.flatten(1).amax(1)

    def real_parameters(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Real weights and biases of an inference: masked, and with the normalisation folded in."""
        weight, bias = self.masked_weight, self.bias
        if self.norm is not None:
            weight, bias = self.norm.fold(weight)
        return weight, None if bias is None else bias * self.living

    def integer_parameters(self) -> Integers:
        """Weights, scale, threshold and biases as they are deployed.

        Raises
        ------
        NetworkError
            No scale keeps the layer within Lava's 24 bits.
        """
        weight, bias = self.real_parameters()
        if self.scale is not None:
            return self._integers_at_own_scale(weight, bias, self.scale)
        scale = quantization.weight_scale(
            weight,
            self.neuron,
            input_bound=self.input_bound,
            input_divisor=self.input_divisor,
            time_steps=self.time_steps,
            name=self.name,
            bias=bias,
        )
        threshold = quantization.threshold_mantissa(self.neuron, scale, self.input_divisor)
        if bias is not None:
            bias = quantization.quantize_bias(bias, scale * self.input_divisor)
        return Integers(quantization.quantize_weight(weight, scale), scale, threshold, bias)

    def _integers_at_own_scale(self, weight, bias, scale: int) -> Integers:
        integers = quantization.clip_weight(quantization.quantize_weight(weight, scale))
        threshold = int(self.neuron.threshold * scale * self.input_divisor)
        if bias is not None:
            bias = quantization.quantize_bias(bias, scale * self.input_divisor)
        # A scale that was chosen is safe by its choice; this one has to be proven, whatever was learned.
        quantization.check_integers(
            integers.detach(),
            threshold,
            self.neuron,
            input_bound=self.input_bound,
            time_steps=self.time_steps,
            name=self.name,
            bias=bias,
        )
        return Integers(integers, float(scale), threshold, bias)

    def watch(self, observer: Observer) -> Callable[[], None]:
        """Let ``observer`` see every forward pass in training; the result ends that."""
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)

    @abstractmethod
    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Synaptic sums of ``(B, *input_shape)`` inputs, ``(B, *output_shape)``."""

    def forward(self, inputs: torch.Tensor, pool: int = 1) -> torch.Tensor:
        """Spikes of the block.

        Parameters
        ----------
        inputs : Tensor of shape (T or 1, N, *input_shape)
            Whole numbers.
        pool : int
            Window of a :class:`~dpap.blocks.SumPool` that follows, to be computed along with the spikes.

        Returns
        -------
        Tensor of shape (T, N, *output_shape), or that of the pool
        """
        if self.training and self.norm is not None and not self.norm.frozen:
            sums, population, bias = self._normalized_sums(inputs)
        else:
            integers = self.integer_parameters()
            population, bias = self._population(integers), integers.bias
            sums = self.sums_over_time(inputs, integers.weight)
            if self.training and self.rounds:
                sums = quantization.round_straight_through(sums)
        if pool == 1:
            outputs = activity = lif(sums, population, bias)
        else:
            outputs, activity = lif_pool(sums, population, pool, bias)
        if self.training:
            self.show(inputs, activity)
        return outputs

    def show(self, inputs: torch.Tensor, activity: torch.Tensor) -> None:
        """Show a forward pass to the observers."""
        for observer in self.observers:
            observer(inputs, activity.detach())

    def sums_over_time(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Synaptic sums of ``(T or 1, N, *input_shape)`` inputs."""
        return self.synapse(inputs.flatten(0, 1), weight).unflatten(0, inputs.shape[:2])

    def _population(self, integers: Integers) -> Population:
        unit = integers.scale * self.input_divisor
        return Population(self.neuron, integers.threshold, unit, self.time_steps)

    def _normalized_sums(self, inputs: torch.Tensor) -> tuple[torch.Tensor, Population, None]:
        """Sums normalised by their batch, in the units that the folded weights will have."""
        with torch.no_grad():
            folded = self.integer_parameters()
        population = self._population(folded)
        weight = self.masked_weight
        scale = quantization.largest_scale(weight, self.name)
        sums = self.sums_over_time(inputs, quantization.quantize_weight(weight, scale))
        normalized = self.norm(
            sums.flatten(0, 1), scale * self.input_divisor, population.scale, self.living
        ).unflatten(0, sums.shape[:2])
        limit = quantization.SUM_LIMIT - 1
        return quantization.round_straight_through(normalized.clamp(-limit, limit)), population, None

    def extra_repr(self) -> str:
        """Name and shapes, for the module's printed form."""
        return f"{self.name}: {self.input_shape} -> {self.output_shape}"
