"""DPAP on networks with every kind of layer."""

import pytest
import torch
from factories import firing_network, random_inputs, with_random_states

import deploy
import dpap

NOTATIONS = [
    "8C3-BN-MP2-8C3g2s1-SP2-20RFC-12FC-5FC",
    "8C3-Res(8C3-8C3)-AP2-Delay3-Res(20FC-20FC|20FC)-12FC-5FC",
    "Res(2C3-2C3|2C1)-DP0.3-AP2-16FC-BN-5FC",
]


def pruned(notation, pruner_of):
    network = with_random_states(firing_network(notation, (2, 8, 8), 5, gain=2.0, bias=True))
    pruner = pruner_of(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    for _ in range(3):
        network.train()
        for batch in range(2):
            inputs = torch.from_numpy(random_inputs(network, 6, seed=batch)).movedim(1, -1).float()
            network(inputs).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            pruner.after_batch()
        pruner.after_epoch()
    return network.eval(), pruner


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_layer_is_pruned_and_what_is_pruned_is_silent(notation):
    # Steep survival functions, so that three epochs prune a good part.
    steep = dpap.SurvivalConfig(epsilon=1.9, protection=0.1, eta=20)
    config = dpap.DPAPConfig(conv=steep, dense=steep, beta=1.0, normalization="percentile")
    network, pruner = pruned(notation, lambda network: dpap.DPAP(network, config))
    assert 0.2 < pruner.pruning_rate < 1
    spikes = network.record(torch.from_numpy(random_inputs(network, 4)).movedim(1, -1).float())
    count = 0
    for name, layer in pruner.layers.items():
        removed = ~layer.neuron_alive
        count += int(removed.sum())
        assert spikes[name][:, :, removed].sum() == 0
    assert count > 0
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 4), backends=("fast",))
    assert certificate.mismatches == 0


@pytest.mark.parametrize("notation", NOTATIONS)
def test_sdsnn_runs_on_every_layer(notation):
    network, pruner = pruned(notation, lambda network: dpap.SDSNN(network))
    assert set(pruner.layers) == {block.name for block in network.synaptic_blocks() if block.prunable}
    assert 0 <= pruner.pruning_rate <= 1
