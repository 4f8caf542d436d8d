import pickle

import pytest
import torch
from factories import firing_network

import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint


def test_a_network_comes_back_with_its_masks_and_spikes(tmp_path):
    network = firing_network("4C3-AP2-10FC", (1, 8, 8), 4, input_max=16, neuron=dpap.LIF(voltage_decay=0.5))
    network.layers["conv1"].mask[1] = 0
    pruner = dpap.DPAP(network)
    save_checkpoint(tmp_path / "checkpoint.safetensors", network, pruner)
    loaded, state = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert loaded.neuron == network.neuron
    dpap.DPAP(loaded).load_state_dict(state)
    inputs = torch.randint(0, 17, (5, 1, 8, 8)).float()
    loaded.load_state_dict(network.state_dict())
    assert network(inputs).sum() > 0
    assert torch.equal(network(inputs), loaded.eval()(inputs))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_biases_statistics_and_delays_come_back(tmp_path):
    network = firing_network("4C3-BN-Delay3-6RFC-4FC", (1, 6, 6), 4, bias=True).train()
    inputs = torch.randint(0, 2, (5, 1, 6, 6, 4)).float()
    network(inputs)
    save_checkpoint(tmp_path / "checkpoint.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert loaded.bias
    assert loaded.state_dict().keys() == network.state_dict().keys()
    assert torch.equal(loaded.eval()(inputs), network.eval()(inputs))


class Evil:
    def __reduce__(self):
        return (open, ("/tmp/should-not-exist", "w"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a checkpoint",
        pickle.dumps(Evil()),
        pickle.dumps({"format": "other"}),
    ],
)
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    with pytest.raises(dpap.InputError, match=r"checkpoint\.safetensors: not a checkpoint"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, firing_network("10FC", (4,), 2))
    data = path.read_bytes()
    for length in (len(data) // 3, len(data) - 10):
        path.write_bytes(data[:length])
        with pytest.raises(dpap.InputError, match="damaged"):
            load_checkpoint(path)


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(dpap.InputError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(dpap.InputError, match="cannot write"):
        save_checkpoint(tmp_path / "none" / "x.safetensors", firing_network("10FC", (4,), 2))
