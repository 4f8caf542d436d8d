r"""Synaptic sums that are exact on every device.

The sums are of whole numbers and decide spikes by a comparison, so they have to be right, not close. In
float32 every number and every partial sum below 2**24 is exact in whatever order it is added
(:func:`dpap.quantization.scaling.weight_scale` keeps the sums of a layer below 2**17 on either side of zero),
so a convolution or product that multiplies and adds is exact. On the CPU torch's do just that.

On CUDA there are two obstacles:

* TensorFloat-32 keeps 11 bits of an input, and cuDNN's convolutions use it by default.
* cuDNN chooses between algorithms, and torch offers no choice. Winograd's and the Fourier transform's go by
  way of larger numbers that are not whole. Rounding the results to whole numbers would mend errors below
  1/2, but no bound keeps them there: Winograd's over tiles of 4 x 4 scales inputs by up to 100, adds the
  products over all channels, and only then scales back (Lavin and Gray 2016, section 4.3; Barabasz et al.
  2018 derive how the error grows). For layers whose sums fill the 17 bits, random weights leave errors of
  0.05, but weights in one corner of their kernels leave errors of 12
  (``tests/dpap/test_exact_sums.py``).

So a convolution on CUDA gathers the inputs of each output and multiplies matrices, which only multiplies and
adds. Its gradients need no exactness and are cuDNN's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

Pair = tuple[int, int]

COLUMNS_LIMIT = 1 << 26
"""Gathered inputs at a time, in numbers: 256 MB."""


@contextmanager
def full_precision() -> Iterator[None]:
    """Products of float32 matrices on CUDA without TensorFloat-32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def linear(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Matrix product of inputs ``(..., in)`` and weights ``(out, in)``, both whole numbers; exact."""
    if not inputs.is_cuda:
        return torch.nn.functional.linear(inputs, weight)
    with full_precision():
        return torch.nn.functional.linear(inputs, weight)


def conv2d(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> torch.Tensor:
    """Convolution of whole numbers, exact; arguments are those of :func:`torch.nn.functional.conv2d`."""
    if not inputs.is_cuda:
        return torch.nn.functional.conv2d(inputs, weight, None, stride, padding, dilation, groups)
    return gathered_conv2d(inputs, weight, stride, padding, dilation, groups)


def gathered_conv2d(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> torch.Tensor:
    """The same by matrix products, on any device; with gradients."""
    pairs = [
        (value, value) if isinstance(value, int) else tuple(value) for value in (stride, padding, dilation)
    ]
    return _GatheredConv.apply(inputs, weight, *pairs, groups)


class _GatheredConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, weight, stride, padding, dilation, groups):
        ctx.save_for_backward(inputs, weight)
        ctx.geometry = stride, padding, dilation, groups
        height, width = (
            (inputs.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (weight.shape[2 + axis] - 1) - 1)
            // stride[axis]
            + 1
            for axis in (0, 1)
        )
        outputs = inputs.new_empty(len(inputs), len(weight), height, width)
        kernel = weight.reshape(groups, len(weight) // groups, -1)
        gathered = kernel.shape[2] * groups * height * width
        chunk = max(1, COLUMNS_LIMIT // max(1, gathered))
        with full_precision():
            for part, into in zip(inputs.split(chunk), outputs.split(chunk), strict=True):
                columns = _columns(part, weight.shape[2:], (height, width), stride, padding, dilation)
                columns = columns.reshape(len(part) * groups, kernel.shape[2], height * width)
                weights = kernel.expand(len(part), -1, -1, -1).reshape(-1, *kernel.shape[1:])
                torch.bmm(weights, columns, out=into.view(*weights.shape[:2], height * width))
        return outputs

    @staticmethod
    def backward(ctx, grad):
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        wanted = [*ctx.needs_input_grad[:2], False]
        gradients = torch.ops.aten.convolution_backward(
            grad, inputs, weight, None, stride, padding, dilation, False, (0, 0), groups, wanted
        )
        return *gradients[:2], None, None, None, None


def _columns(inputs, kernel, outputs, stride, padding, dilation):
    """The inputs of each output, ``(B, C, kernel, outputs)``, as a view of the padded inputs."""
    padded = torch.nn.functional.pad(inputs, (padding[1], padding[1], padding[0], padding[0])).contiguous()
    batch, channel, row, column = padded.stride()
    strides = (
        *(batch, channel),
        *(row * dilation[0], column * dilation[1]),
        *(row * stride[0], column * stride[1]),
    )
    return padded.as_strided((*inputs.shape[:2], *kernel, *outputs), strides)
