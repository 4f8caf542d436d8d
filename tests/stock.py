"""Stock SLAYER networks that the tests share."""

import torch
from lava.lib.dl.slayer.block import cuba
from torch import nn

# Copy it: some blocks write into what they are given.
NEURON = {"threshold": 1.0, "current_decay": 0.3, "voltage_decay": 0.05}


class StockNetwork(nn.Module):
    """As lava-dl's tutorials write them: `blocks`, and a forward that goes through them."""

    def __init__(self, *blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, activity):
        for block in self.blocks:
            activity = block(activity)
        return activity


def excite(network, gain=3.0, excitation=0.3):
    """Weights so large that all layers fire, with more excitation than inhibition."""
    for block in network.modules():
        if type(block) in (cuba.Conv, cuba.Dense):
            synapse = block.synapse
            if synapse.weight_norm_enabled:
                synapse.weight_v.data += excitation * synapse.weight_v.data.abs()
                synapse.weight_g.data *= gain
            else:
                synapse.weight.data += excitation * synapse.weight.data.abs()
                synapse.weight.data *= gain
    return network


NEURAL = (cuba.Conv, cuba.Dense, cuba.Pool, cuba.Recurrent)


@torch.no_grad()
def stock_record(network, inputs, kinds=(cuba.Conv, cuba.Dense)):
    """Spikes of every block of some kinds for inputs ``(N, ..., T)``, before axonal delays."""
    spikes, hooks = [], []
    for block in network.modules():
        if type(block) in kinds:
            if block.delay is not None:
                hooks.append(block.delay.register_forward_pre_hook(lambda _, args: spikes.append(args[0])))
            else:
                hooks.append(block.register_forward_hook(lambda _, args, output: spikes.append(output)))
    if isinstance(network, nn.ModuleList):
        for block in network:
            inputs = block(inputs)
    else:
        network(inputs)
    for hook in hooks:
        hook.remove()
    return spikes


def assert_same_spikes(network, stock, inputs, kinds=(cuba.Conv, cuba.Dense), fires=True):
    """Every layer of ours equals the stock one, time step by time step, and fires where asked."""
    recorded = network.record(inputs)
    ours = [recorded[block.name] for block in network.synaptic_blocks()]
    theirs = stock_record(stock, inputs, kinds)
    assert len(ours) == len(theirs) > 0
    for spikes, expected in zip(ours, theirs, strict=True):
        assert not fires or 0 < spikes.mean() < 1
        assert torch.equal(spikes.movedim(1, -1), expected)


def movies(shape, samples, steps, high, seed=0):
    """Whole numbers of which half stay the same from step to step."""
    generator = torch.Generator().manual_seed(seed)
    size = (samples, *shape, steps)
    values = torch.randint(0, high + 1, size, generator=generator).float()
    same = torch.rand(size, generator=generator) < 0.5
    for t in range(1, steps):
        values[..., t] = torch.where(same[..., t], values[..., t - 1], values[..., t])
    return values
