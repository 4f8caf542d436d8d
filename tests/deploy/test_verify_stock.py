"""Certificates against stock SLAYER networks by their own forward."""

import numpy as np
import pytest
import torch
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba, sigma_delta
from stock import NEURON, StockNetwork, excite
from torch import nn

import deploy
import dpap
from dpap.blocks import Addition
from dpap.errors import NetworkError

SHAPE, STEPS = (2, 8, 7), 10


def events(high=1, samples=5, shape=SHAPE):
    values = np.random.default_rng(0).integers(0, high + 1, (samples, STEPS, *shape))
    return values * (np.random.default_rng(1).random(values.shape) < 0.4)


def network(delay_shift=False, delay=False, kind=StockNetwork):
    torch.manual_seed(0)
    options = {"delay_shift": delay_shift, "delay": delay}
    net = kind(
        # With delay_shift it fails in lava-dl 0.6 unless it has neurons.
        cuba.Input(delay_shift=False),
        cuba.Conv({**NEURON, "dropout": slayer.neuron.Dropout(0.3)}, 2, 6, 3, padding=1, **options),
        dpap.slayer.SumPool(2),
        cuba.Flatten(),
        cuba.Dense(dict(NEURON), 72, 12, **options),
        cuba.Recurrent(dict(NEURON), 12, 8, delay_shift=delay_shift),
        cuba.Dense(dict(NEURON), 8, 4, **options),
    )
    if delay:
        for block in (net.blocks[1], net.blocks[4], net.blocks[6]):
            block.delay.init = True
            block.delay.delay.data = torch.arange(block.synapse.out_channels) % 4 + 0.5
    return excite(net, gain=2.0)


@pytest.mark.parametrize("delay_shift", [False, True])
@pytest.mark.parametrize("delay", [False, True])
def test_every_block_of_a_stock_network_is_compared(delay_shift, delay):
    net = network(delay_shift, delay).train()
    # Delays behind the last layer have no layer to be folded into.
    net.blocks[-1].delay = None
    graph = deploy.compile(dpap.from_slayer(net, SHAPE, STEPS))
    certificate = deploy.verify(graph, net, events(), backends=("fast",))
    assert certificate.reference == "stock SLAYER evaluation, every block's output"
    layers = certificate.backends["fast"]
    assert list(layers) == ["conv1", "fc1", "fc2", "fc3"]
    assert certificate.mismatches == 0 and certificate.samples == {"fast": 5}
    # 5 samples x 10 steps x 6 x 8 x 7 neurons, and none is left out for the steps that blocks come late.
    assert layers["conv1"].compared == 5 * 10 * 6 * 8 * 7
    assert layers["fc3"].compared == 5 * 10 * 4
    assert all(layer.spikes > 0 for layer in layers.values())
    assert net.training


def test_a_stock_network_with_other_weights_differs():
    net = network()
    graph = deploy.compile(dpap.from_slayer(net, SHAPE, STEPS))
    net.blocks[4].synapse.weight.data *= -1
    layers = deploy.verify(graph, net, events(), backends=("fast",)).backends["fast"]
    assert layers["conv1"].mismatches == 0
    assert layers["fc1"].mismatches > 0


def test_lava_is_compared_with_the_stock_network():
    net = network()
    graph = deploy.compile(dpap.from_slayer(net, SHAPE, STEPS))
    certificate = deploy.verify(graph, net, events(samples=2), time_limit=60)
    assert set(certificate.backends) == {"fast", "lava"} and certificate.mismatches == 0


def test_recordings_of_batches_are_certified():
    net = network()
    graph = deploy.compile(dpap.from_slayer(net, SHAPE, STEPS))
    recording = deploy.run(graph, events(samples=40))
    certificate = deploy.certify(net, [recording])
    assert certificate.mismatches == 0 and certificate.samples == {"fast": 40}
    assert certificate.to_dict()["reference"].startswith("stock SLAYER")


def test_messages_of_sigma_delta_blocks_are_compared():
    torch.manual_seed(0)
    unit = {"threshold": 0.1, "activation": torch.nn.functional.relu}
    net = nn.Sequential(
        sigma_delta.Input(dict(unit)),
        sigma_delta.Conv(dict(unit), 2, 6, 3, padding=1),
        dpap.slayer.SumPool(2),
        sigma_delta.Flatten(),
        sigma_delta.Dense(dict(unit), 72, 4),
    )
    for block in (net[1], net[4]):
        block.synapse.weight.data += 0.3 * block.synapse.weight.data.abs()
    graph = deploy.compile(dpap.from_slayer(net, SHAPE, STEPS, 20))
    certificate = deploy.verify(graph, net, events(20), backends=("fast",))
    assert list(certificate.backends["fast"]) == ["conv1", "fc1"]
    assert certificate.mismatches == 0
    assert all(layer.spikes > 0 for layer in certificate.backends["fast"].values())


class Residual(StockNetwork):
    """Adds the spikes of two blocks, which the list of its blocks does not say."""

    def forward(self, activity):
        first = self.blocks[0](activity)
        return self.blocks[2](first + self.blocks[1](first))


class Twice(StockNetwork):
    """Calls a block twice."""

    def forward(self, activity):
        return self.blocks[2](self.blocks[1](self.blocks[1](self.blocks[0](activity))))


def three(kind, delay_shift=False):
    torch.manual_seed(0)
    return excite(kind(*(cuba.Dense(dict(NEURON), 8, 8, delay_shift=delay_shift) for _ in range(3))))


def test_a_forward_of_its_own_is_the_reference():
    net = three(Residual)
    inputs = events(shape=(8,))
    stated = dpap.slayer.Graph([*net.blocks[:2], Addition(), net.blocks[2]], [(-1,), (0,), (0, 1), (2,)])
    right = deploy.compile(dpap.from_slayer(stated, (8,), STEPS))
    assert deploy.verify(right, net, inputs, backends=("fast",)).mismatches == 0
    wrong = deploy.compile(dpap.from_slayer(net, (8,), STEPS, check=False))
    layers = deploy.verify(wrong, net, inputs, backends=("fast",)).backends["fast"]
    assert [layer.mismatches > 0 for layer in layers.values()] == [False, False, True]


def test_where_blocks_are_called_otherwise_the_output_alone_is_compared():
    net = three(Twice)
    inputs = events(shape=(8,))
    graph = deploy.compile(dpap.from_slayer(net, (8,), STEPS, check=False))
    certificate = deploy.verify(graph, net, inputs, backends=("fast",))
    assert certificate.reference == (
        "stock SLAYER evaluation, the output alone: block 1 (cuba.Dense) is called 2 times"
    )
    assert list(certificate.backends["fast"]) == ["fc3"] and certificate.mismatches > 0
    with pytest.raises(deploy.CompileError, match=r"called 2 times, so .* late: set delay_shift=False"):
        deploy.verify(graph, three(Twice, delay_shift=True), inputs, backends=("fast",))
    net.forward = lambda activity: Twice.forward(net, activity).sum()
    with pytest.raises(deploy.CompileError, match="not of the last block's shape: nothing can be compared"):
        deploy.verify(graph, net, inputs, backends=("fast",))


def test_what_cannot_be_compared_is_refused():
    graph = deploy.compile(dpap.from_slayer(three(StockNetwork), (8,), STEPS))
    inputs = events(shape=(8,))
    with pytest.raises(deploy.CompileError, match=r"the network has the layers .*compiled from another"):
        deploy.verify(graph, nn.Sequential(three(StockNetwork).blocks[0]), inputs, backends=("fast",))
    with pytest.raises(NetworkError, match=r"block 0 \(Linear\) has no counterpart"):
        deploy.verify(graph, nn.Sequential(nn.Linear(8, 8)), inputs, backends=("fast",))
    with pytest.raises(dpap.InputError, match="0 samples, so that nothing would be compared"):
        deploy.verify(graph, three(StockNetwork), inputs[:0], backends=("fast",))
    failing = three(StockNetwork)
    failing.forward = lambda activity: activity.no_such_thing
    with pytest.raises(
        deploy.CompileError, match=r"forward fails .*\(5, 8, 10\) .*AttributeError: .*no_such"
    ):
        deploy.verify(graph, failing, inputs, backends=("fast",))
    with pytest.raises(dpap.InputError, match="this is a Linear"):
        deploy.verify(graph, nn.Linear(8, 8), inputs, backends=("fast",))
