"""Effective synaptic operations against NeuroBench's count, on a pruned SLAYER network and its own spikes.

NeuroBench is the reference here and no dependency: where it is not installed these tests skip.
"""

import numpy as np
import pytest
import torch
from lava.lib.dl.slayer.block import cuba
from stock import NEURON, StockNetwork, excite, stock_record
from torch import nn

import deploy
import dpap

layers = pytest.importorskip(
    "neurobench.metrics.utils.layers", reason="NeuroBench is not installed (dependency group oracles)"
)

SHAPE, STEPS, SAMPLES = (2, 6, 6), 5, 4


def pruned_slayer_network():
    """A stock network, pruned by DPAP while it learns, and by hand on top of that."""
    torch.manual_seed(0)
    neuron = {**NEURON, "current_decay": 1.0, "voltage_decay": 0.8}
    stock = excite(
        StockNetwork(
            cuba.Conv(neuron, 2, 4, 3, padding=1, delay_shift=False),
            cuba.Flatten(),
            cuba.Dense(neuron, 4 * 36, 12, delay_shift=False),
            cuba.Dense(neuron, 12, 5, delay_shift=False),
        )
    )
    pruner = dpap.DPAP(stock.train())
    with torch.no_grad():
        stock(events())
        pruner.after_batch()
        pruner.after_epoch()
        for layer in pruner.layers.values():
            layer.block.mask[torch.rand_like(layer.block.mask) < 0.5] = 0
    network = dpap.from_slayer(stock.eval(), SHAPE, STEPS)
    return stock, network


def events(high=1):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, high + 1, (SAMPLES, *SHAPE, STEPS), generator=generator).float()


def as_torch(block):
    """A layer of torch with the integers that are deployed."""
    weight = block.integer_parameters().weight
    if weight.ndim == 4:
        outputs, inputs, side = weight.shape[:3]
        layer = nn.Conv2d(inputs, outputs, side, padding=block.padding, bias=False)
    else:
        layer = nn.Linear(*reversed(weight.shape), bias=False)
    layer.weight.data = weight.float()
    return layer


def counted(layer, activity, total=False):
    """NeuroBench's operations of a layer, for activity ``(N, ..., T)``, step after step."""
    steps = activity.movedim(-1, 1).flatten(0, 1)
    if isinstance(layer, nn.Linear):
        steps = steps.flatten(1)
    return layers.single_layer_MACs(steps, layer, total=total)


def test_effective_operations_are_those_of_neurobench():
    stock, network = pruned_slayer_network()
    inputs = events()
    arriving = [inputs, *stock_record(stock.blocks, inputs)]
    graph = deploy.compile(network)
    run = deploy.run(graph, np.moveaxis(inputs.numpy(), -1, 1).astype(int))
    measurement = deploy.measure(graph, run)
    for name, block, activity in zip(graph_names(graph), network.synaptic_blocks(), arriving, strict=False):
        layer = as_torch(block)
        # Compilation leaves out neurons that are silent for any input, and what leads to them.
        removed = np.setdiff1d(np.arange(len(layer.weight)), graph[name].kept)
        layer.weight.data[removed] = 0
        pruned = float((layer.weight == 0).float().mean())
        operations, spiking = counted(layer, activity)
        assert pruned > 0.3 and operations > 0 and spiking
        assert measurement[name].synops_effective == operations, name


def graph_names(graph):
    return [layer.name for layer in graph.layers]


def test_dense_operations_are_of_every_input_and_step():
    # What NeuroBench calls dense counts no spikes: every weight at every step, borders exact. Two channels of
    # 6 x 6 to four: kernels of 9 reach (6 * 3 - 2) ** 2 = 256 pairs of positions; 4 * 2 * 256 a step.
    stock, network = pruned_slayer_network()
    layer = as_torch(network.synaptic_blocks()[0])
    operations, _ = counted(layer, events(), total=True)
    assert operations == 4 * 2 * 256 * STEPS * SAMPLES
    graph = deploy.compile(network)
    run = deploy.run(graph, np.ones((SAMPLES, STEPS, *SHAPE), int))
    assert deploy.measure(graph, run)["conv1"].synops_dense == operations
    del stock


def test_a_graded_input_is_multiplied():
    layer = as_torch(pruned_slayer_network()[1].synaptic_blocks()[0])
    assert counted(layer, events(high=1))[1]
    operations, spiking = counted(layer, events(high=3))
    assert not spiking and operations > 0
