r"""Biases of stock neurons.

Stock CUBA neurons have no bias of their own, but a ``norm`` between current and voltage, and
``slayer.neuron.norm.MeanOnlyBatchNorm`` subtracts its running mean there:

.. math::
    v[t] = (1 - \alpha_v)\, v[t-1]\, (1 - s[t-1]) + u[t] - q(\mu)

So a running mean of :math:`-b / \text{scale}` is a bias of b integer units, in every pass where the norm does
not update. Source: lava-dl 0.6, ``neuron/cuba.py`` and ``neuron/norm.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from dpap.errors import NetworkError
from dpap.runtime.lava_import import import_lava_dl
from dpap.slayer.masking import MaskedQuantizer

_NORMS = "lava.lib.dl.slayer.neuron.norm"

MEAN_ONLY = _NORMS, "MeanOnlyBatchNorm"
"""The stock norm that only subtracts its running mean (:func:`dpap.slayer.stock.is_stock`)."""


def whole_units(values: torch.Tensor, descale: bool = False, *, scale: int) -> torch.Tensor:
    """A ``pre_hook_fx`` that rounds to whole integer units and clips nothing.

    SLAYER's own, ``quantize_8bit``, gives even numbers from -256 to 254; Loihi's biases have 13 bits.
    """
    integers = torch.round(values * scale)
    return integers if descale else integers / scale


def set_bias(neuron: nn.Module, bias: torch.Tensor) -> None:
    """Give a stock neuron a bias in integer units, by a norm that does not update."""
    norm = import_lava_dl("slayer.neuron.norm").MeanOnlyBatchNorm(
        len(bias), pre_hook_fx=partial(whole_units, scale=neuron.w_scale)
    )
    norm.running_mean = -bias.detach().clone() / neuron.w_scale
    norm.update = False
    neuron.norm = norm


@torch.no_grad()
def read_bias(neuron: nn.Module, channels: int, where: str) -> torch.Tensor | None:
    """Integer biases of a stock neuron in evaluation, ``(channels,)``; None where it has no norm.

    Raises
    ------
    NetworkError
        The norm is not a bias of whole numbers.
    """
    norm = neuron.norm
    if norm is None:
        return None
    name = type(norm).__name__
    if type(norm).__module__ != _NORMS or name not in ("MeanOnlyBatchNorm", "WgtScaleBatchNorm"):
        raise NetworkError(
            f"{where} has a norm of type {name}, for which there is no counterpart: fold what it multiplies"
            " by into the weights, and what it subtracts into a slayer.neuron.norm.MeanOnlyBatchNorm, its"
            " running_mean"
        )
    if name == "WgtScaleBatchNorm":
        divisor = norm.std(norm.running_var).item()
        if divisor != 1:
            raise NetworkError(
                f"{where} has a WgtScaleBatchNorm, which divides currents by {divisor:g}: whole numbers"
                " cannot say so exactly. Divide the weights, and let a slayer.neuron.norm.MeanOnlyBatchNorm"
                " have its running_mean, divided too"
            )
    bias = -norm.pre_hook_fx(norm.running_mean).flatten() * neuron.w_scale
    if not bool((bias == bias.round()).all()):
        raise NetworkError(
            f"{where}: a bias of its {name} is {bias[bias != bias.round()][0].item():g} integer units;"
            " expected whole numbers: let norm.pre_hook_fx be neuron.quantize_8bit"
        )
    return bias.expand(channels).clone()


@dataclass(eq=False)
class RemainingMean:
    """The ``pre_hook_fx`` of a norm, with the mean of neurons without a remaining synapse at zero.

    A pruned neuron must not fire by its bias alone.

    Attributes
    ----------
    quantize : callable
        What the norm had before.
    masked : MaskedQuantizer
        Whose mask says which synapses are alive.
    """

    quantize: Callable
    masked: MaskedQuantizer

    def __call__(self, mean: torch.Tensor, descale: bool = False) -> torch.Tensor:
        """Quantise, then silence."""
        quantized = self.quantize(mean, descale=True) if descale else self.quantize(mean)
        alive = self.masked.mask.flatten(1).amax(1)
        return quantized * (alive if mean.dim() == 1 else alive.view(1, -1, *(1,) * (mean.dim() - 2)))


def silence_pruned(neuron: nn.Module, masked: MaskedQuantizer) -> None:
    """Let the biases of a stock neuron count for remaining neurons only."""
    norm = neuron.norm
    if norm is None:
        return
    before = norm.pre_hook_fx
    norm.pre_hook_fx = RemainingMean(before.quantize if isinstance(before, RemainingMean) else before, masked)
