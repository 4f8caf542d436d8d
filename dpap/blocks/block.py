"""What blocks have in common.

Inside a network tensors are time-major, ``(T, N, *shape)``, so that time folds into the batch for
synapses and one step of all neurons is contiguous. An input that is the same at every step may have a
single step, ``(1, N, *shape)``: its synaptic sums are then computed once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from dpap import quantization
from dpap.neurons import LIF, Population, lif, lif_pool

Shape = tuple[int, ...]

Observer = Callable[[torch.Tensor, torch.Tensor], None]
"""Is given the inputs and the activity of a forward pass, both time-major."""


class SynapticBlock(nn.Module, ABC):
    r"""Synapses and the neurons that they drive.

    The forward pass runs in the integers that are deployed: weights are quantised at the layer's scale
    (:mod:`dpap.quantization`), and their sums drive :func:`dpap.neurons.lif`.
    A synapse whose ``mask`` is zero is absent in every pass.

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

    Attributes
    ----------
    weight : Parameter
        Real weights.
    mask : Tensor
        1 where a synapse lives, 0 where it is pruned; broadcast over a convolution's kernel.
    observers : list of callables
        Each is given the inputs and the activity of every forward pass in training: spikes
        ``(T, N, *output_shape)``, or where a pool follows their sums over positions ``(T, N, C)``.
    """

    kind: Literal["conv", "dense"]

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
    ):
        super().__init__()
        self.name = name
        self.input_shape, self.output_shape = tuple(input_shape), tuple(output_shape)
        self.neuron = neuron
        self.time_steps = time_steps
        self.input_bound, self.input_divisor = input_bound, input_divisor
        self.scale = scale
        self.observers: list[Observer] = []
        self.weight = nn.Parameter(torch.empty(weight_shape))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        kernel = (1,) * (len(weight_shape) - 2)
        self.register_buffer("mask", torch.ones(*weight_shape[:2], *kernel))

    @property
    def masked_weight(self) -> torch.Tensor:
        """Real weights with pruned synapses at zero."""
        return self.weight * self.mask

    def integer_parameters(self) -> tuple[torch.Tensor, float, int]:
        """Integer weights (float dtype), their scale and the threshold mantissa, as they are deployed."""
        weight = self.masked_weight
        if self.scale is not None:
            return self._integers_at_own_scale(weight, self.scale)
        scale = quantization.weight_scale(
            weight,
            self.neuron,
            input_bound=self.input_bound,
            input_divisor=self.input_divisor,
            time_steps=self.time_steps,
            name=self.name,
        )
        threshold = quantization.threshold_mantissa(self.neuron, scale, self.input_divisor)
        return quantization.quantize_weight(weight, scale), scale, threshold

    def _integers_at_own_scale(self, weight: torch.Tensor, scale: int) -> tuple[torch.Tensor, float, int]:
        integers = quantization.clip_weight(quantization.quantize_weight(weight, scale))
        threshold = int(self.neuron.threshold * scale * self.input_divisor)
        # A scale that was chosen is safe by its choice; this one has to be proven, whatever was learned.
        quantization.check_integers(
            integers.detach(),
            threshold,
            self.neuron,
            input_bound=self.input_bound,
            time_steps=self.time_steps,
            name=self.name,
        )
        return integers, float(scale), threshold

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
            Window of a :class:`SumPool` that follows, to be computed along with the spikes.

        Returns
        -------
        Tensor of shape (T, N, *output_shape), or that of the pool
        """
        weight, scale, threshold = self.integer_parameters()
        population = Population(self.neuron, threshold, scale * self.input_divisor, self.time_steps)
        steps, batch = inputs.shape[:2]
        sums = self.synapse(inputs.flatten(0, 1), weight).unflatten(0, (steps, batch))
        if pool == 1:
            outputs = activity = lif(sums, population)
        else:
            outputs, activity = lif_pool(sums, population, pool)
        if self.training:
            for observer in self.observers:
                observer(inputs, activity.detach())
        return outputs

    def extra_repr(self) -> str:
        """Name and shapes, for the module's printed form."""
        return f"{self.name}: {self.input_shape} -> {self.output_shape}"


class SumPool(nn.Module):
    """Average pooling, as the sum over each window.

    The sum is whole where the average is not. The next block's threshold is scaled by the window's area,
    which makes the two the same network: the pool is part of that block's synapses on hardware.

    Parameters
    ----------
    window : int
        Side of the window and stride. Rows and columns that do not fill a window are dropped.
    """

    def __init__(self, window: int):
        super().__init__()
        self.window = window

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(T, N, C, H, W)`` to ``(T, N, C, H // window, W // window)``."""
        steps, batch = inputs.shape[:2]
        summed = torch.nn.functional.avg_pool2d(inputs.flatten(0, 1), self.window, divisor_override=1)
        return summed.unflatten(0, (steps, batch))

    def extra_repr(self) -> str:
        """Window, for the module's printed form."""
        return f"window={self.window}"


class Flatten(nn.Module):
    """``(T, N, C, H, W)`` to ``(T, N, C * H * W)``, channels first."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Flatten all but time and batch."""
        return inputs.flatten(2)
