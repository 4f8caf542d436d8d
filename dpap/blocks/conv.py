"""Convolutional block."""

import torch

from dpap.blocks import exact_sums
from dpap.blocks.block import Shape, SynapticBlock
from dpap.blocks.window import Extent, pair, window_extent
from dpap.errors import NetworkError
from dpap.neurons import Neuron


class Conv(SynapticBlock):
    r"""Two-dimensional convolution with its neurons; weight ``(out, in / groups, height, width)``.

    Parameters
    ----------
    input_shape : tuple of int
        ``(C, H, W)``.
    channels : int
        Output channels.
    kernel, padding, stride, dilation : int or pair of int
        Of height and width: size of the kernel, zeros added at each border, step of the kernel, and
        distance of its elements.
    groups : int
        Parts that the channels are divided into; each receives the inputs of its own part.

    Other parameters are those of :class:`~dpap.blocks.SynapticBlock`.

    Raises
    ------
    NetworkError
        The kernel does not fit the input, or the groups do not divide the channels.
    """

    kind = "conv"

    def __init__(
        self,
        name: str,
        input_shape: Shape,
        channels: int,
        kernel: Extent,
        neuron: Neuron,
        time_steps: int,
        padding: Extent = 0,
        input_bound: int = 1,
        input_divisor: float = 1,
        scale: int | None = None,
        *,
        stride: Extent = 1,
        dilation: Extent = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = False,
    ):
        incoming = input_shape[0]
        if groups < 1 or incoming % groups or channels % groups:
            raise NetworkError(
                f"{name}: {groups} groups do not divide its {incoming} inputs and {channels} channels"
            )
        self.kernel, self.padding = pair(kernel), pair(padding)
        self.stride, self.dilation, self.groups = pair(stride), pair(dilation), groups
        extent = window_extent(name, input_shape[1:], self.kernel, self.stride, self.padding, self.dilation)
        super().__init__(
            name,
            (channels, incoming // groups, *self.kernel),
            input_shape,
            (channels, *extent),
            neuron,
            time_steps,
            input_bound,
            input_divisor,
            scale,
            bias,
            norm,
        )

    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Convolution, exact where every partial sum is a whole number below 2**24 (in float32)."""
        return exact_sums.conv2d(inputs, weight, self.stride, self.padding, self.dilation, self.groups)
