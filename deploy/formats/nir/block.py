"""Neurons of a NIR graph and the synapses before them, as one block."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from deploy.errors import CompileError, FormatError
from deploy.formats.nir.fields import (
    Shape,
    by_channel,
    numbers,
    read_bias,
    read_padding,
    read_pair,
    read_weight,
)
from deploy.formats.nir.neuron import StepNeuron
from dpap import blocks
from dpap.networks.builder import MAX_NEURONS
from dpap.neurons import LIF
from dpap.quantization import LOWEST_WEIGHT, WEIGHT_LIMIT

WHOLE = 1e-2
"""How near to a whole number a weight must be, in integer units, to be that: float32 is nearer."""


@dataclass(frozen=True)
class Place:
    """Activity that a node gives.

    Attributes
    ----------
    layer : str
        The layer of the network that it is of.
    shape : tuple of int
    bound, divisor : int
        Its largest value, and the one that stands for the real 1.
    """

    layer: str
    shape: Shape
    bound: int
    divisor: int


@dataclass(frozen=True)
class Synapses:
    """What drives a layer's neurons.

    Attributes
    ----------
    name : str
        Of the node that has the weights.
    node : nir.Linear, nir.Affine or nir.Conv2d
    bias : float array
        One an output, or one for all.
    recurrent : tuple of str and nir.Linear or nir.Affine, or None
        Name and node of the layer's synapses to itself.
    """

    name: str
    node: object
    bias: np.ndarray
    recurrent: tuple[str, object] | None = None


def conv_block(
    name: str, layer: str, synapses: Synapses, neuron: StepNeuron, place: Place, time_steps: int
) -> tuple[blocks.Conv, str]:
    """A convolution and its neurons, and its token in the papers' notation.

    Parameters
    ----------
    name, layer : str
        Of the neurons' node, for errors, and of the block.
    synapses : Synapses
    neuron : StepNeuron
    place : Place
        The activity that it hears.
    time_steps : int

    Raises
    ------
    FormatError
        Shapes do not fit each other.
    CompileError
        It has no counterpart.
    """
    if synapses.recurrent is not None:
        raise CompileError(f"{name}: a convolution that hears itself has no counterpart; use a Linear node")
    node = synapses.node
    weight = read_weight(synapses.name, node, 4)
    groups = int(numbers(synapses.name, "groups", node.groups).flat[0])
    if len(place.shape) != 3 or groups < 1 or weight.shape[1] * groups != place.shape[0]:
        raise FormatError(f"{synapses.name}: kernels of {weight.shape} in {groups} groups for {place.shape}")
    dilation, kernel = read_pair(synapses.name, node, "dilation"), weight.shape[2:]
    block = blocks.Conv(
        layer,
        place.shape,
        len(weight),
        kernel,
        _lif(neuron),
        time_steps,
        read_padding(synapses.name, node, kernel, dilation),
        place.bound,
        place.divisor,
        stride=read_pair(synapses.name, node, "stride"),
        dilation=dilation,
        groups=groups,
        bias=True,
    )
    _fill(name, block, weight, neuron, synapses)
    return block, f"{len(weight)}C{kernel[0]}x{kernel[1]}"


def dense_block(
    name: str, layer: str, synapses: Synapses, neuron: StepNeuron, place: Place, time_steps: int
) -> tuple[blocks.Dense | blocks.Recurrent, str]:
    """A fully connected layer, recurrent or not; as :func:`conv_block`."""
    weight = read_weight(synapses.name, synapses.node, 2)
    outputs, inputs = weight.shape
    if place.shape != (inputs,):
        raise FormatError(f"{synapses.name}: weights of {weight.shape} for an input of {place.shape}")
    make, token = blocks.Dense, f"{outputs}FC"
    if synapses.recurrent is not None:
        make, token = blocks.Recurrent, f"{outputs}RFC"
        own = read_weight(*synapses.recurrent, 2)
        if own.shape != (outputs, outputs):
            raise FormatError(f"{synapses.recurrent[0]}: weights of {own.shape} between {outputs} neurons")
        # A block counts a spike of its own as 1 / divisor.
        weight = np.concatenate([weight, own * place.divisor], axis=1)
    block = make(layer, inputs, outputs, _lif(neuron), time_steps, place.bound, place.divisor, bias=True)
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
    if synapses.recurrent is not None:
        bias = bias + read_bias(*synapses.recurrent)
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
