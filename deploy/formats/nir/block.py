"""Neurons of a NIR graph and the synapses before them, as one block."""

import math

import numpy as np
import torch

from deploy.errors import CompileError, FormatError
from deploy.formats.nir.fields import by_channel
from deploy.formats.nir.neuron import StepNeuron
from deploy.formats.nir.synapses import Synapses
from dpap import blocks
from dpap.networks.builder import MAX_NEURONS
from dpap.neurons import LIF
from dpap.quantization.scaling import LOWEST_WEIGHT, WEIGHT_LIMIT

WHOLE = 1e-2
"""How near to a whole number a weight must be, in integer units, to be that: float32 is nearer."""


def conv_block(
    name: str, layer: str, synapses: Synapses, neuron: StepNeuron, time_steps: int
) -> tuple[blocks.Conv, str]:
    """A convolution and its neurons, and its token in the papers' notation.

    Parameters
    ----------
    name, layer : str
        Of the neurons' node, for errors, and of the block.
    synapses : Synapses
        Those of all its sources.
    neuron : StepNeuron
    time_steps : int

    Raises
    ------
    FormatError
        Shapes do not fit each other.
    CompileError
        It has no counterpart.
    """
    if synapses.recurrent is not None:
        raise CompileError(f"{name}: a recurrent convolution has no counterpart; use a Linear node")
    window, kernel = synapses.window, synapses.weight.shape[2:]
    outputs, inputs = len(synapses.weight), synapses.weight.shape[1] * window.groups
    block = blocks.Conv(
        layer,
        (inputs, *synapses.shape[1:]),
        outputs,
        kernel,
        _lif(neuron),
        time_steps,
        window.padding,
        synapses.bound,
        synapses.divisor,
        stride=window.stride,
        dilation=window.dilation,
        groups=window.groups,
        bias=True,
    )
    _fill(name, block, synapses.weight, neuron, synapses)
    return block, f"{outputs}C{kernel[0]}x{kernel[1]}"


def dense_block(
    name: str, layer: str, synapses: Synapses, neuron: StepNeuron, time_steps: int
) -> tuple[blocks.Dense | blocks.Recurrent, str]:
    """A fully connected layer, recurrent or not; as :func:`conv_block`."""
    weight = synapses.weight
    outputs, inputs = weight.shape
    make, token = blocks.Dense, f"{outputs}FC"
    if synapses.recurrent is not None:
        make, token = blocks.Recurrent, f"{outputs}RFC"
        own = synapses.recurrent
        if own.shape != (outputs, outputs):
            raise FormatError(f"{name}: recurrent weights of {own.shape} between {outputs} neurons")
        # A block counts a spike of its own as 1 / divisor.
        weight = np.concatenate([weight, own * synapses.divisor], axis=1)
    block = make(
        layer, inputs, outputs, _lif(neuron), time_steps, synapses.bound, synapses.divisor, bias=True
    )
    _fill(name, block, weight, neuron, synapses)
    return block, token


def _lif(neuron: StepNeuron) -> LIF:
    return LIF(
        threshold=float(neuron.threshold.flat[0]),
        current_decay=neuron.current_decay,
        voltage_decay=neuron.voltage_decay,
    )


def _fill(name: str, block, weight: np.ndarray, neuron: StepNeuron, synapses: Synapses) -> None:
    """Give a block its weights and biases, with what differs between its neurons in them."""
    shape = block.output_shape
    if math.prod(shape) > MAX_NEURONS:
        raise CompileError(f"{name}: {math.prod(shape)} neurons; at most {MAX_NEURONS}")
    gain, constant, threshold = (
        by_channel(name, field, getattr(neuron, field), shape) for field in ("gain", "constant", "threshold")
    )
    bias = synapses.bias
    if neuron.current_decay < 1 and bias.any():
        raise CompileError(
            f"{name}: its synaptic current would low-pass the bias of {synapses.name}; give it as v_leak"
        )
    factor = block.neuron.threshold / threshold
    constant = (gain * bias + constant) * factor
    rows = (gain * factor).reshape(-1, *(1,) * (weight.ndim - 1))
    with torch.no_grad():
        block.weight.copy_(torch.from_numpy(weight * rows))
        if constant.any():
            block.bias.copy_(torch.from_numpy(constant))
        else:
            block.bias = None
    block.scale = _written_scale(name, neuron.unit, block)
    block.integer_parameters()


def _written_scale(name: str, unit: int | None, block) -> int | None:
    """The scale of a layer that :func:`deploy.export` wrote, if its weights are whole at it."""
    if unit is None:
        return None
    weight = block.weight.detach().double().numpy() * unit
    whole = 2 * np.round(weight / 2)
    fits = whole.min() >= LOWEST_WEIGHT and whole.max() <= WEIGHT_LIMIT
    return unit if fits and abs(weight - whole).max() < WHOLE else None
