r"""The range of each layer's weights that changes least of what drives its neurons.

Few bits are spread over a range :math:`\pm r`; what is beyond is clipped. A wide range has coarse levels, a
narrow one clips much. For each layer r is chosen from :math:`\max|w|\, 2^{-k/4}` to minimise

.. math::
    \sum_x \big\lVert \tfrac{\vartheta}{\hat\vartheta} (\hat W_r x + \hat b) - (W x + b) \big\rVert^2

over the inputs x that the layer has for calibration samples in the original network, with
:math:`\hat\vartheta` the threshold that the integers stand for (1 for the quotient of ReLU units). That is
layer-wise calibration by mean squared error (Nagel et al. 2021, arXiv 2106.08295, section 3.1), of sums
instead of weights.
"""

import contextlib
from dataclasses import dataclass

import torch

from dpap import blocks
from dpap.errors import NetworkError

RANGES = tuple(2 ** (-quarter / 4) for quarter in range(13))
"""Candidates, as shares of the largest weight: down to an eighth."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A layer's integers at one range, as the real numbers that they stand for.

    Attributes
    ----------
    reach : float
        The range.
    weight : Tensor
        Real weights, clipped, that the block itself quantises to these.
    stands_for : Tensor
        Real weights that the integers stand for, in units of the threshold that they stand for.
    bias : Tensor of shape (out,) or None
    scale : float
    threshold : int
    """

    reach: float
    weight: torch.Tensor
    stands_for: torch.Tensor
    bias: torch.Tensor | None
    scale: float
    threshold: int


def candidates(block: blocks.SynapticBlock) -> list[Candidate]:
    """The integers of a block, whose ``weight_bits`` are set, at each range.

    Raises
    ------
    NetworkError
        The block has none at its ``weight_bits`` that keep its threshold and its weights from becoming 0.
    """
    weight, bias = block.real_parameters()
    largest = weight.abs().max().item() if weight.numel() else 0.0
    found = [_candidate(block, weight, bias, largest)]
    # Without weights there is nothing to clip, and fixed ones are not to be.
    if largest > 0 and block.prunable:
        for share in RANGES[1:]:
            # A range so narrow that all weights become 0, at a scale that the currents set, is no candidate.
            with contextlib.suppress(NetworkError):
                found.append(_candidate(block, weight, bias, largest * share))
    return found


def _candidate(block, weight, bias, reach: float) -> Candidate:
    clipped = weight.clamp(-reach, reach)
    integers = block.dynamics.integers(block, clipped, bias)
    unit = integers.scale * block.input_divisor
    factor = block.dynamics.threshold_factor(block, integers)
    if weight.any() and not integers.weight.any():
        raise NetworkError(
            f"{block.name}: all its weights become 0 with {block.weight_bits} bits, since its biases or its"
            " threshold leave them no room; give it more bits or smaller biases"
        )
    return Candidate(
        reach=reach,
        weight=clipped,
        stands_for=integers.weight * (factor / integers.scale),
        bias=None if integers.bias is None else integers.bias * (factor / unit),
        scale=integers.scale,
        threshold=integers.threshold,
    )


class Calibrator:
    """Errors of each candidate of a layer over the samples so far.

    Parameters
    ----------
    block : SynapticBlock
        Of the original network.
    found : list of Candidate
    """

    def __init__(self, block: blocks.SynapticBlock, found: list[Candidate]):
        self.block, self.found = block, found
        self.weight, self.bias = block.real_parameters()
        self.errors = [0.0] * len(found)
        self.total = 0.0

    def see(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Take in a pass of the original block, ``(T or 1, N, ...)``."""
        if isinstance(self.block, blocks.Recurrent):
            received = outputs.roll(1, dims=0)
            received[:1] = 0
            inputs = torch.cat([inputs.expand(len(received), -1, -1), received], dim=2)
        inputs = inputs.flatten(0, 1)
        # Messages and pooled spikes are whole; the real value 1 is `input_divisor` of them.
        inputs = inputs / self.block.input_divisor
        self.total += self._squares(inputs, self.weight, self.bias)
        for index, candidate in enumerate(self.found):
            bias = None if self.bias is None else candidate.bias - self.bias
            self.errors[index] += self._squares(inputs, candidate.stands_for - self.weight, bias)

    def best(self) -> tuple[Candidate, float]:
        """The candidate with the smallest error, of equals the widest, and its relative error."""
        index = min(range(len(self.found)), key=self.errors.__getitem__)
        relative = (self.errors[index] / self.total) ** 0.5 if self.total else 0.0
        return self.found[index], relative

    def _squares(self, inputs, weight, bias) -> float:
        if isinstance(self.block, blocks.Recurrent):
            sums = torch.nn.functional.linear(inputs, weight)
        else:
            sums = self.block.synapse(inputs, weight)
        if bias is not None:
            sums = sums + bias.view(-1, *(1,) * (sums.dim() - 2))
        return sums.square().sum(dtype=torch.float64).item()
