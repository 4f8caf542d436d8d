"""What a stock sigma-delta block is: its kind, its unit and its bias, or why it has no counterpart."""

import math

import torch
from torch import nn

from dpap.errors import NetworkError
from dpap.neurons import ReLU
from dpap.slayer.sigma_delta.units import MESSAGES_PER_UNIT, unit_activation

SIGMA_DELTA_BLOCKS = "lava.lib.dl.slayer.block.sigma_delta"
SIGMA_DELTA_NEURONS = "lava.lib.dl.slayer.neuron.sigma_delta"


def sigma_delta_kind(block: nn.Module) -> str | None:
    """Name of the stock class, such as ``Conv``; None for anything else, subclasses included."""
    return type(block).__name__ if type(block).__module__ == SIGMA_DELTA_BLOCKS else None


def label(index: int, block: nn.Module) -> str:
    """The block in a message: ``block 2 (sigma_delta.Dense)``."""
    kind = sigma_delta_kind(block)
    return f"block {index} ({f'sigma_delta.{kind}' if kind else type(block).__name__})"


def read_scale(block: nn.Module, where: str) -> int:
    """Scale of a stock block's neuron; a :class:`~dpap.errors.NetworkError` where it has no counterpart."""
    neuron = block.neuron
    if type(neuron).__module__ != SIGMA_DELTA_NEURONS:
        raise NetworkError(
            f"{where}: its neuron is a {type(neuron).__name__}; expected slayer.neuron.sigma_delta.Neuron"
        )
    for present, what, remedy in (
        (block.delay is not None, "learnable axonal delays (delay=True)", "train with delay=False"),
        (block.count_log, "count_log=True, so its output is a pair", "set count_log=False"),
        (neuron.norm is not None, "a norm", "fold it into the weights, or train with norm=None"),
        (neuron.drop is not None, "dropout", "set block.neuron.drop = None once it is trained"),
        (not neuron.shared_param, "thresholds of each channel's own", "train with shared_param=True"),
        (neuron.persistent_state, "state that persists between samples", "set persistent_state=False"),
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


def read_bias(block: nn.Module, before: int, where: str) -> torch.Tensor | None:
    """Real biases of a stock block, one for each neuron or channel; None where none are set.

    Raises
    ------
    NetworkError
        They differ between the positions of a channel, or are no even whole numbers of the block's units.
    """
    neuron = block.neuron
    if not neuron.bias_is_set:
        return None
    bias, channels = neuron.bias.detach(), block.synapse.out_channels
    if bias.shape not in ((channels,), (channels, 1, 1)):
        raise NetworkError(
            f"{where} has a bias of shape {tuple(bias.shape)}; expected one for each of {channels} channels"
            " or neurons"
        )
    step = 2 / (MESSAGES_PER_UNIT * before * neuron.w_scale)
    if not bool((bias / step == (bias / step).round()).all()):
        raise NetworkError(
            f"{where} has a bias that is no multiple of {step:g}, of which its integers are made; round it:"
            f" block.neuron.set_bias((bias / {step:g}).round() * {step:g})"
        )
    return bias.flatten()
