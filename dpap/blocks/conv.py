"""Convolutional block."""

import torch

from dpap.blocks import exact_sums
from dpap.blocks.block import Shape, SynapticBlock
from dpap.neurons import LIF


class Conv(SynapticBlock):
    """Two-dimensional convolution with its neurons; weight ``(out, in, kernel, kernel)``.

    Parameters
    ----------
    input_shape : tuple of int
        ``(C, H, W)``.
    channels, kernel, padding : int
        Output channels, side of the kernel, zeros added at each border. The stride is 1.

    Other parameters are those of :class:`~dpap.blocks.SynapticBlock`.
    """

    kind = "conv"

    def __init__(
        self,
        name: str,
        input_shape: Shape,
        channels: int,
        kernel: int,
        neuron: LIF,
        time_steps: int,
        padding: int = 0,
        input_bound: int = 1,
        input_divisor: int = 1,
        scale: int | None = None,
    ):
        incoming, height, width = input_shape
        output_shape = (
            channels,
            height + 2 * padding - kernel + 1,
            width + 2 * padding - kernel + 1,
        )
        super().__init__(
            name,
            (channels, incoming, kernel, kernel),
            input_shape,
            output_shape,
            neuron,
            time_steps,
            input_bound,
            input_divisor,
            scale,
        )
        self.kernel, self.padding = kernel, padding

    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Convolution, exact in float32 (:mod:`dpap.blocks.exact_sums`)."""
        return exact_sums.conv2d(inputs, weight, padding=self.padding)
