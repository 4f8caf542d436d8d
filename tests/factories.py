"""Factories that the tests share."""

import numpy as np
import torch

import dpap
import dpap.blocks
from dpap.checkpoint.sealed_file import read_sealed, write_sealed


def firing_network(
    notation, input_shape, time_steps, *, input_max=1, gain=4.0, excitation=0.3, seed=0, **options
):
    """An untrained network whose weights are so large that all its layers fire."""
    torch.manual_seed(seed)
    network = dpap.networks.build(notation, input_shape, time_steps, input_max=input_max, **options)
    for block in network.synaptic_blocks():
        # More excitation than inhibition, or deep layers would fall silent.
        block.weight.data = gain * (block.weight.data + excitation * block.weight.data.abs())
    return network.eval()


def change_sealed(path, to, change):
    """Copy a checkpoint whose content ``change(plain, tensors)`` changes; the checksum is right."""
    plain, tensors = read_sealed(path, "checkpoint")
    change(plain, tensors)
    write_sealed(to, plain, tensors)


def halved(network):
    """The network with every other synapse of its dense layers gone, so that lists beat dense storage."""
    for block in network.synaptic_blocks():
        if block.kind == "dense":
            block.mask.view(-1)[::2] = 0
            block.mask[1::2] = block.mask[1::2].roll(1, dims=1)
    return network


def random_inputs(network, samples, seed=0):
    """Integer inputs ``(N, T, *input_shape)`` over the whole range."""
    shape = (samples, network.time_steps, *network.input_shape)
    return np.random.default_rng(seed).integers(0, network.input_max + 1, shape).astype(np.int64)


def only_connection(layer):
    """The connection of a layer that has one source."""
    (incoming,) = layer.inputs
    return incoming.connection


def with_random_states(network, seed=0):
    """The network with random running statistics and delays, as training would leave them."""
    generator = torch.Generator().manual_seed(seed)
    for block in network.synaptic_blocks():
        if block.norm is not None:
            block.norm.running_var.uniform_(0.2, 2, generator=generator)
            block.norm.running_mean.uniform_(-0.2, 0.2, generator=generator)
            block.norm.bias.data.uniform_(-0.3, 0.3, generator=generator)
    for layer in network.layers.values():
        if isinstance(layer, dpap.blocks.Delay):
            layer.delay.data.uniform_(0, layer.highest + 0.9, generator=generator)
    return network
