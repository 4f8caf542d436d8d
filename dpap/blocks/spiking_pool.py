"""Pool with neurons."""

import torch

from dpap.blocks import exact_sums
from dpap.blocks.block import Shape, SynapticBlock
from dpap.blocks.window import Extent, pair, window_extent
from dpap.neurons import SpikingNeuron


class SpikingPool(SynapticBlock):
    """The sum over each window, times one weight a position, drives neurons of its own.

    The counterpart of lava-dl's ``cuba.Pool``. The weight, ``(1, 1, height, width)``, is shared by all
    channels, and fixed: 1 at first. Nothing of it is pruned.

    Parameters
    ----------
    input_shape : tuple of int
        ``(C, H, W)``.
    window, stride, padding : int or pair of int
        As those of :class:`~dpap.blocks.SumPool`.
    extra : pair of int
        Rows and columns of zeros below and to the right, beyond the padding, as lava-dl adds them.

    Other parameters are those of :class:`~dpap.blocks.SynapticBlock`.
    """

    kind = "pool"
    prunable = False
    sends = ("spikes",)

    def __init__(
        self,
        name: str,
        input_shape: Shape,
        window: Extent,
        neuron: SpikingNeuron,
        time_steps: int,
        stride: Extent | None = None,
        padding: Extent = 0,
        input_bound: int = 1,
        input_divisor: int = 1,
        scale: int | None = None,
        *,
        extra: tuple[int, int] = (0, 0),
    ):
        self.window, self.padding = pair(window), pair(padding)
        self.stride = pair(window if stride is None else stride)
        self.extra = extra
        size = input_shape[1] + extra[0], input_shape[2] + extra[1]
        extent = window_extent(name, size, self.window, self.stride, self.padding)
        super().__init__(
            name,
            (1, 1, *self.window),
            input_shape,
            (input_shape[0], *extent),
            neuron,
            time_steps,
            input_bound,
            input_divisor,
            scale,
        )
        self.weight.requires_grad_(False).fill_(1.0)

    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Each channel by itself, exact in float32."""
        channels = inputs.shape[1]
        planes = inputs.flatten(0, 1).unsqueeze(1)
        if self.extra != (0, 0):
            planes = torch.nn.functional.pad(planes, (0, self.extra[1], 0, self.extra[0]))
        sums = exact_sums.conv2d(planes, weight, self.stride, self.padding)
        return sums.squeeze(1).unflatten(0, (inputs.shape[0], channels))
