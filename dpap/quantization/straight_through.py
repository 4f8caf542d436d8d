"""Rounding through which gradients pass as if it were not there.

Source: the straight-through estimator, Bengio et al. 2013.
"""

import torch

from dpap.quantization.scaling import WEIGHT_STEP


class _Quantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, scale, step):
        ctx.scale = scale
        return torch.round(weight * (scale / step)).mul_(step)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.scale, None, None


def quantize_weight(weight: torch.Tensor, scale: float, step: int = WEIGHT_STEP) -> torch.Tensor:
    """Integers ``step * round(weight * scale / step)``, in the weight's dtype; gradient straight through."""
    return _Quantize.apply(weight, scale, step)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, source, values):
        return values

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def with_gradient_of(source: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The values, whose gradient goes to the source as it is."""
    return _StraightThrough.apply(source, values)


def round_straight_through(values: torch.Tensor) -> torch.Tensor:
    """The nearest whole numbers; gradient straight through."""
    return with_gradient_of(values, values.detach().round())


def quantize_bias(bias: torch.Tensor, unit: float) -> torch.Tensor:
    """Whole numbers ``round(bias * unit)``, in the bias's dtype; gradient straight through."""
    return round_straight_through(bias * unit)
