"""Inspection of stock sigma-delta blocks: kind, unit and bias, or why there is no counterpart."""

import math

import torch
from torch import nn

from dpap.errors import NetworkError
from dpap.neurons import ReLU
from dpap.slayer.bias import MEAN_ONLY
from dpap.slayer.sigma_delta.units import MESSAGES_PER_UNIT, unit_activation
from dpap.slayer.stock import is_stock

SIGMA_DELTA_BLOCKS = "lava.lib.dl.slayer.block.sigma_delta"
SIGMA_DELTA_NEURONS = "lava.lib.dl.slayer.neuron.sigma_delta"


def sigma_delta_kind(block: nn.Module) -> str | None:
    """Name of the stock class, such as ``Conv``; None for anything else, subclasses included."""
    return type(block).__name__ if type(block).__module__ == SIGMA_DELTA_BLOCKS else None


def read_scale(block: nn.Module, where: str) -> int:
    """Scale of a stock block's neuron; a :class:`~dpap.errors.NetworkError` where it has no counterpart."""
    neuron = block.neuron
    if type(neuron).__module__ != SIGMA_DELTA_NEURONS:
        raise NetworkError(
            f"{where}: its neuron is a {type(neuron).__name__}; expected"
            " slayer.neuron.sigma_delta.Neuron: make a new block, as a sigma_delta block"
        )
    for present, what, remedy in (
        (block.delay is not None, "learnable axonal delays (delay=True)", "train with delay=False"),
        (
            block.count_log,
            "count_log=True, so its output is a pair",
            "set block.count_log = False (count_log=False)",
        ),
        (
            not (neuron.norm is None or is_stock(neuron.norm, MEAN_ONLY)),
            "a norm that is no MeanOnlyBatchNorm",
            "fold what it multiplies by into the weights, and what it subtracts into the running_mean of a"
            " slayer.neuron.norm.MeanOnlyBatchNorm",
        ),
        (neuron.drop is not None, "dropout", "set block.neuron.drop = None once it is trained"),
        (not neuron.shared_param, "thresholds of each channel's own", "train with shared_param=True"),
        (
            neuron.persistent_state or neuron.sigma.persistent_state or neuron.delta.persistent_state,
            "state that persists between samples",
            "train with persistent_state=False",
        ),
        (neuron.delta.cum_error, "a cumulative error", "train with cum_error=False"),
    ):
        if present:
            raise NetworkError(f"{where} has {what}, for which there is no counterpart: {remedy}")
    scale = neuron.w_scale
    if scale < 1 or scale & (scale - 1):
        raise NetworkError(
            f"{where}: its neuron's scale is {scale}; SLAYER's float arithmetic is exact only at powers of"
            " two: train with scale=64"
        )
    return scale


def read_threshold(block: nn.Module, unit: int, where: str) -> int:
    """Threshold in whole units, as SLAYER's next pass compares with it: at least one message."""
    delta = block.neuron.delta
    threshold = max(delta.threshold.detach().item(), 1 / delta.scale)
    if not math.isfinite(threshold * unit):
        raise NetworkError(f"{where}: its threshold is {threshold}; it must be finite")
    return math.ceil(threshold * unit)


def read_unit(block: nn.Module, before: int, where: str) -> ReLU:
    """The unit of a stock block behind one with the scale ``before``.

    Raises
    ------
    NetworkError
        The neuron has something that :class:`dpap.ReLU` cannot say.
    """
    scale, activation = read_scale(block, where), block.neuron.activation
    rectified = activation in (torch.nn.functional.relu, torch.relu) or isinstance(activation, nn.ReLU)
    if not rectified and activation is not unit_activation and not isinstance(activation, nn.Identity):
        raise NetworkError(
            f"{where}: its activation is {getattr(activation, '__name__', activation)}; expected"
            " torch.nn.functional.relu, or torch.nn.Identity()"
        )
    unit = MESSAGES_PER_UNIT * before * scale
    return ReLU(
        threshold=read_threshold(block, unit, where) / unit,
        fraction_bits=(MESSAGES_PER_UNIT * scale).bit_length() - 1,
        rectified=rectified,
    )


def read_bias(block: nn.Module, before: int, shape: tuple[int, ...], where: str) -> torch.Tensor | None:
    r"""Real biases of a stock block, one for each neuron or channel; None where none are set.

    Added up are the neuron's bias b, as SLAYER broadcasts it, and the running mean of a MeanOnlyBatchNorm:
    :math:`b - q(\mu)`.

    Parameters
    ----------
    block : nn.Module
    before : int
        Scale of the block before.
    shape : tuple of int
        The block's output.
    where : str
        The block, for errors.

    Raises
    ------
    NetworkError
        They differ between the positions of a channel, or are no even whole numbers of the block's units.
    """
    neuron = block.neuron
    if not neuron.bias_is_set and neuron.norm is None:
        return None
    exponent = round(math.log2(MESSAGES_PER_UNIT * before * neuron.w_scale)) - 1
    total = torch.zeros(shape[0], device=neuron.bias.device)
    if neuron.bias_is_set:
        bias = _bias_of_channels(neuron.bias.detach(), shape, where)
        _check_multiple(
            bias,
            exponent,
            f"{where} has a bias",
            f"round it: block.neuron.bias.data = (block.neuron.bias.data * 2**{exponent}).round() /"
            f" 2**{exponent}",
        )
        total = total + bias
    if neuron.norm is not None:
        mean = neuron.norm.pre_hook_fx(neuron.norm.running_mean).flatten()
        _check_multiple(
            mean, exponent, f"{where} has a norm", "let norm.pre_hook_fx be block.neuron.quantize_8bit"
        )
        total = total - mean
    return total


def _check_multiple(values: torch.Tensor, exponent: int, what: str, advice: str) -> None:
    whole = values * 2**exponent
    if not bool((whole == whole.round()).all()):
        raise NetworkError(
            f"{what} that is no multiple of 2**-{exponent}, of which its integers are made; {advice}"
        )


def _bias_of_channels(bias: torch.Tensor, shape: tuple[int, ...], where: str) -> torch.Tensor:
    """One bias for each channel; SLAYER adds ``bias[None, ..., None]`` to ``(N, *shape, T)``."""
    column = ", ".join(map(str, (shape[0], *(1,) * (len(shape) - 1))))
    advice = (
        "with one number for each channel set block.neuron.bias.data = bias.reshape("
        f"{column}) and block.neuron.bias_is_set = True"
    )
    try:
        full = bias.broadcast_to(shape)
    except RuntimeError:
        raise NetworkError(
            f"{where} has a bias of shape {tuple(bias.shape)}; expected one for each of {shape[0]} channels"
            f" or neurons: {advice}"
        ) from None
    channels = full.reshape(shape[0], -1)
    if not bool((channels == channels[:, :1]).all()):
        raise NetworkError(
            f"{where} has a bias of shape {tuple(bias.shape)}, which differs between the positions of a"
            f" channel: {advice}"
        )
    return channels[:, 0]
