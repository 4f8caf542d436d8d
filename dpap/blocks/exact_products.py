r"""Synaptic sums of graded activations, exact in every pass.

Weights and biases are even, so all products and partial sums are even whole numbers, which float32 holds up
to :math:`2^{25}`.
Whatever the order of the additions, no partial sum of a neuron exceeds

.. math::
    \sum_i |w_i|\,|x_i| \;\le\; \min\Big(\|w\|_1 \max_i |x_i|,\ \|w\|_2\, \|x\|_2\Big)

(Hölder; Cauchy and Schwarz), with :math:`x` the inputs of a neuron. The first bound costs one pass
over the inputs; the second, which is tighter, one convolution with a single channel. Where neither proves
float32 exact, the sums are computed in float64: inputs below :math:`2^{24}` times weights below :math:`2^8`
may add up :math:`2^{22}` times.
"""

from collections.abc import Callable

import torch

Synapse = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

FLOAT32_LIMIT = 1 << 25
"""Magnitude up to which float32 holds every even number."""


@torch.no_grad()
def bound_of_sums(synapse: Synapse, inputs: torch.Tensor, weight: torch.Tensor, groups: int) -> float:
    """An upper bound of all partial sums of all neurons, for these inputs.

    Parameters
    ----------
    synapse : callable
        Sums of inputs ``(B, ...)`` for weights ``(out, in / groups, ...)``.
    inputs, weight : Tensors
        Whole numbers.
    groups : int
        Parts that the inputs are divided into.
    """
    if not inputs.numel() or not weight.numel():
        return 0.0
    rows = weight.flatten(1)
    # The bounds themselves are sums of positive numbers in float32, each addition off by at most 2**-24.
    slack = 1 + rows.shape[1] * 2.0**-22
    lowest, highest = torch.aminmax(inputs)
    bound = rows.abs().sum(1).max() * torch.maximum(highest, -lowest)
    if slack * bound < FLOAT32_LIMIT:
        return slack * bound.item()
    # One output for each group sums the squares of all inputs of its neurons.
    squares = synapse(inputs.square(), torch.ones_like(weight[:groups]))
    return slack * min(bound.item(), (rows.square().sum(1).max() * squares.max()).sqrt().item())


def exact_sums(
    synapse: Synapse, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, groups: int = 1
) -> torch.Tensor:
    """Sums and biases, for float32 inputs, weights and biases that are whole numbers, the latter two even.

    Parameters
    ----------
    synapse, inputs, weight, groups
        As in :func:`bound_of_sums`.
    bias : Tensor of shape (out,), optional

    Returns
    -------
    Tensor of shape (B, out, ...)
        float32, or float64 where float32 might not hold a number on the way.
    """
    bound = bound_of_sums(synapse, inputs, weight, groups)
    if bias is not None and bias.numel():
        bound += bias.detach().abs().max().item()
    if not bound < FLOAT32_LIMIT:
        inputs, weight = inputs.double(), weight.double()
    sums = synapse(inputs, weight)
    return sums if bias is None else sums + bias.view(-1, *(1,) * (sums.dim() - 2))
