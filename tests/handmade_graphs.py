"""Graphs of given integers, and torch networks of the same."""

import numpy as np
import torch
from scipy import sparse

import dpap
from deploy.ir import INPUT, CubaLIF, Graph, Incoming, Layer, MatrixConnection
from dpap.blocks import Delay


def layer(weights, name="fc1", source=INPUT, own=None, delays=None, bias=None, **neuron):
    """A dense layer of given integer weights; by default the voltage is the sum alone.

    ``own`` are recurrent weights, ``delays`` those of the source's neurons.
    """
    weights = np.asarray(weights, np.int16)
    neuron = {"current_decay": 4096, "voltage_decay": 4096, "threshold": 1} | neuron
    inputs = [_incoming(source, weights, delays)]
    if own is not None:
        inputs.append(_incoming(name, np.asarray(own, np.int16)))
    return Layer(
        name=name,
        shape=(len(weights),),
        kept=np.arange(len(weights), dtype=np.int32),
        without_fan_out=np.empty(0, np.int32),
        neuron=CubaLIF(**neuron),
        inputs=tuple(inputs),
        scale=1.0,
        bias=None if bias is None else np.asarray(bias, np.int32),
    )


def _incoming(source, weights, delays=None):
    connection = MatrixConnection(sparse.csr_matrix(weights))
    return Incoming(source, connection, delays=None if delays is None else np.asarray(delays, np.int16))


def torch_network(graph: Graph) -> dpap.networks.Network:
    """A network of the same integers as a chain of layers made by :func:`layer`; its scales are its own."""
    tokens = []
    for each in graph.layers:
        if each.inputs[0].delays is not None:
            tokens.append(f"Delay{graph.time_steps}")
        tokens.append(f"{each.size}{'RFC' if each.recurrent else 'FC'}")
    network = dpap.networks.build(
        "-".join(tokens),
        graph.input_shape,
        graph.time_steps,
        input_max=graph.input_max,
        bias=any(each.bias is not None for each in graph.layers),
    )
    delays = [block for block in network.layers.values() if isinstance(block, Delay)]
    for block, each in zip(network.synaptic_blocks(), graph.layers, strict=True):
        matrices = [incoming.connection.matrix.toarray() for incoming in each.inputs]
        block.scale = 1
        block.weight.data = torch.from_numpy(np.concatenate(matrices, axis=1)).float()
        # Half a unit more, which the conversion to an integer drops.
        threshold = (each.neuron.threshold + 0.5) / block.input_divisor
        keeps = (each.neuron.current_decay / 4096, each.neuron.voltage_decay / 4096)
        block.neuron = dpap.LIF(threshold=threshold, current_decay=keeps[0], voltage_decay=keeps[1])
        if block.bias is not None:
            bias = np.zeros(each.size) if each.bias is None else each.bias
            block.bias.data = torch.from_numpy(np.asarray(bias)).float() / block.input_divisor
        if each.inputs[0].delays is not None:
            delays.pop(0).delay.data = torch.from_numpy(each.inputs[0].delays).float()
    return network.eval()
