"""Ranges of currents, and with them scales of weights, by samples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from dpap.blocks import SynapticBlock
from dpap.errors import InputError
from dpap.networks import Network
from dpap.quantization.levels import warn_of_lost_levels

BATCH = 64
"""Samples at a time; all layers' activity of so many is in memory."""

PASSES = 8
"""Passes over the samples at most: a range that grows changes the spikes of the layers behind."""


@torch.no_grad()
def calibrate(network: Network, inputs: Any, *, margin: float | None = None) -> Network:
    r"""Give a network's currents the ranges that samples cause, where no proof leaves weights their bits.

    With r the largest magnitude of a current of a layer on the samples, in real units, :math:`\gamma` the
    margin and d the integer input that stands for 1, the layer's scale becomes the largest that fits its
    weights and

    .. math::
        s\, d\, \gamma\, r < 2^{17}

    (:func:`dpap.quantization.weight_bits.weight_grid`). Layers with a proof at such a scale keep it, whatever
    the samples. A layer whose scale is its own (:func:`dpap.from_slayer`) keeps that too; its range is noted,
    and says how far its currents are from Lava's limit. Inputs that drive a current out of its range later
    raise an :class:`~dpap.errors.ActivationOverflow`.

    Training observes ranges by itself; calibration is for networks that were built, converted or read and
    do not train.

    Parameters
    ----------
    network : Network
        Its ranges are replaced, its weights stay. After an error it is as it was before.
    inputs : Split, or array or Tensor of whole numbers
        Some hundred samples of training: ``(N, *input_shape, T)`` or ``(N, *input_shape)``, as the network
        takes them, or ``(N, T, *input_shape)``, as :func:`deploy.run` does.
    margin : float, optional
        How much larger than on these samples a current may become, at least 1; by default the network's
        ``range_margin``, 2 where it was not set. It becomes the network's.

    Returns
    -------
    Network
        The same, for convenience.

    Raises
    ------
    InputError
        It is no :class:`dpap.networks.Network`, there is no sample, or they do not fit the network.
    NetworkError
        All weights of a layer round to 0.
    ActivationOverflow
        A current of a layer with a scale of its own leaves its range.

    Warns
    -----
    PrecisionWarning
        Rounding leaves a layer few levels, or many of its weights become 0 (:mod:`dpap.quantization.levels`).
    """
    if not isinstance(network, Network):
        raise InputError(f"this is a {type(network).__name__}; expected a dpap Network (dpap.networks.build)")
    check_samples(inputs)
    usual = network.range_margin
    if margin is not None:
        network.range_margin = margin
    blocks = _ranged(network)
    before = [block.current_range.clone() for block in blocks]
    for block in blocks:
        block.current_range.zero_()
    try:
        widen_ranges(network, inputs)
        warn_of_lost_levels(network)
    except InputError:
        network.range_margin = usual
        for block, known in zip(blocks, before, strict=True):
            block.current_range.copy_(known)
        raise
    return network


def check_samples(inputs: Any) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless these are samples, and at least one."""
    if not hasattr(inputs, "__len__"):
        raise InputError(
            f"the calibration samples are a {type(inputs).__name__}; expected a Split, an array or a Tensor"
        )
    if not len(inputs):
        raise InputError("there are no calibration samples; give at least one, better some hundred")


@torch.no_grad()
def widen_ranges(network: Network, inputs: Any) -> None:
    """Widen the ranges of a network until they hold what samples cause; as of :func:`calibrate`."""
    blocks = _ranged(network)
    if not blocks:
        return
    was_training = network.training
    network.eval()
    for block in blocks:
        block.calibrating = True
    try:
        for _ in range(PASSES):
            before = [block.observed_range for block in blocks]
            for batch in input_batches(network, inputs):
                network(batch)
            if [block.observed_range for block in blocks] == before:
                break
    finally:
        for block in blocks:
            block.calibrating = False
        network.train(was_training)


def _ranged(network: Network) -> list[SynapticBlock]:
    return [block for block in network.synaptic_blocks() if "current_range" in block.dynamics.buffers()]


def input_batches(network: Network, inputs: Any) -> Iterator[torch.Tensor]:
    """Samples as a network takes them, some at a time, on its device.

    Parameters
    ----------
    network : Network
    inputs : Split, or array or Tensor
        As of :func:`calibrate`.
    """
    device = next(network.parameters()).device
    for start in range(0, len(inputs), BATCH):
        stop = min(start + BATCH, len(inputs))
        if hasattr(inputs, "batch"):
            chunk = torch.from_numpy(inputs.batch(range(start, stop)))
        else:
            chunk = _time_last(network, _tensor(inputs, start, stop))
        yield chunk.to(device)


def _tensor(inputs: Any, start: int, stop: int) -> torch.Tensor:
    try:
        chunk = inputs[start:stop]
        return (
            chunk
            if isinstance(chunk, torch.Tensor)
            else torch.from_numpy(np.asarray(chunk, dtype=np.float32))
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the samples are a {type(inputs).__name__} that cannot be read as an array ({error}); expected a"
            " Split, an array or a Tensor"
        ) from error


def _time_last(network: Network, chunk: torch.Tensor) -> torch.Tensor:
    """Samples with their steps last, where they come first as in recordings."""
    shape, steps = network.input_shape, network.time_steps
    if tuple(chunk.shape[1:]) == (steps, *shape) and tuple(chunk.shape[1:]) != (*shape, steps):
        return chunk.movedim(1, -1)
    return chunk
