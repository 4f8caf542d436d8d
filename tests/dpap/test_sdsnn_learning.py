"""SD-SNN while small networks learn the digits: checkpoints, repair, freeze, and a rate that settles."""

import copy

import pytest
import torch
from mild_structure import MILD, QUICK

import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint
from dpap.data import Split, load_digits
from dpap.runtime.threads import threads
from dpap.training import TrainingConfig, train


@pytest.fixture(scope="module")
def halves():
    """Most of the digits' training split, and a part held back from it."""
    split = load_digits()[0]
    return Split(split.inputs[:960], split.labels[:960], 16), Split(
        split.inputs[960:], split.labels[960:], 16
    )


def run(network, pruner, epochs, halves, rate=1e-2):
    config = TrainingConfig(epochs=epochs, learning_rate=rate, batch_size=48)
    # One thread: networks are so small that two only wait for each other.
    with threads(1):
        return train(network, *halves, config, pruner)


def network_for_digits(seed=0):
    torch.manual_seed(seed)
    return dpap.networks.build("64FC-10FC", (1, 8, 8), 4, input_max=16)


def test_a_run_goes_on_from_its_checkpoint(tmp_path, halves):
    def make(network):
        return dpap.SDSNN(network, dpap.SDSNNConfig(patience=1, conv=MILD, dense=MILD))

    network = network_for_digits()
    pruner = make(network)
    run(network, pruner, 6, halves)
    save_checkpoint(tmp_path / "checkpoint.safetensors", network, pruner)
    loaded, state = load_checkpoint(tmp_path / "checkpoint.safetensors")
    resumed = make(loaded)
    resumed.load_state_dict(copy.deepcopy(state))
    for net, steward in ((network, pruner), (loaded, resumed)):
        run(net, steward, 2, halves)
    assert 0 < pruner.pruning_rate == resumed.pruning_rate
    for ours, theirs in zip(network.synaptic_blocks(), loaded.synaptic_blocks(), strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.mask, theirs.mask)


def cut(pruner, share, seed=0):
    layer = pruner.layers["fc1"]
    draw = torch.rand(layer.synapse_alive.shape, generator=torch.Generator().manual_seed(seed))
    layer.synapse_alive &= draw > share
    pruner.apply_masks()


def test_regeneration_repairs_an_over_pruned_layer(halves):
    quiet = MILD.model_copy(update={"pruning_percent": 0.0})
    network = network_for_digits()
    pruner = dpap.SDSNN(network, dpap.SDSNNConfig(patience=1, conv=quiet, dense=quiet))
    before = run(network, pruner, 5, halves)[-1].test_accuracy
    cut(pruner, 0.95)
    rate = pruner.pruning_rates["fc1"]
    hurt = run(network, pruner, 1, halves, rate=1e-6)[-1].test_accuracy
    after = run(network, pruner, 6, halves)[-1].test_accuracy
    assert rate == pytest.approx(0.95, abs=0.01)
    assert hurt < before - 0.2
    assert pruner.pruning_rates["fc1"] < 0.6
    assert pruner.layers["fc1"].regrown > 0.35 * pruner.layers["fc1"].synapse_alive.numel()
    assert after > before - 0.05


def test_nothing_regrows_or_goes_once_frozen(halves):
    network = network_for_digits()
    pruner = dpap.SDSNN(network, QUICK.model_copy(update={"freeze": 5}))
    run(network, pruner, 5, halves)
    assert pruner.frozen
    cut(pruner, 0.5)
    masks, ranges = pruner.masks, pruner.layers["fc1"].ranges.upper.clone()
    run(network, pruner, 3, halves)
    for name, mask in pruner.masks.items():
        assert torch.equal(mask, masks[name])
        assert torch.equal(network.layers[name].mask.flatten(1), mask.float()), "closed in the network too"
    assert torch.equal(pruner.layers["fc1"].ranges.upper, ranges)


def test_the_pruning_rate_settles(halves):
    network = network_for_digits()
    config = dpap.SDSNNConfig(
        patience=1, conv=MILD, dense=MILD.model_copy(update={"pruning_percent": 30.0}), growth_base=1.6
    )
    rates = [record.pruning_rate for record in run(network, dpap.SDSNN(network, config), 15, halves)]
    assert max(rates) > 0.15
    assert max(rates[-4:]) - min(rates[-4:]) < 0.03
