import io
import zipfile

import numpy as np
import pytest
import torch
from factories import firing_network
from handmade_layers import chain

import dpap
from dpap.pruning import load_masks, network_masks, save_masks, set_masks


def pruned():
    network = firing_network("4C3-AP2-6FC-3FC", (1, 4, 4), 2)
    pruner = dpap.DPAP(network)
    pruner.layers["conv1"].neuron_alive[1] = False
    pruner.layers["fc1"].synapse_alive[2, :5] = False
    pruner.apply_masks()
    return network, pruner


def test_masks_are_saved_loaded_and_put_on_another_network(tmp_path):
    network, pruner = pruned()
    path = tmp_path / "masks.npz"
    save_masks(path, pruner.masks)
    assert [file.name for file in tmp_path.iterdir()] == ["masks.npz"]
    masks = load_masks(path)
    other = firing_network("4C3-AP2-6FC-3FC", (1, 4, 4), 2, seed=5)
    set_masks(other, masks)
    for name, mask in network_masks(network).items():
        assert torch.equal(masks[name], mask)
        assert torch.equal(other.layers[name].mask.flatten(1), mask.float())
    # A pruner goes on from there, and what is gone stays gone.
    successor = dpap.DPAP(other)
    assert successor.pruning_rate == pruner.pruning_rate > 0
    assert successor.layers["conv1"].neuron_alive.tolist() == [True, False, True, True]
    successor.apply_masks()
    assert torch.equal(network_masks(other)["fc1"], masks["fc1"])


def test_a_pruner_takes_masks():
    _, pruner = pruned()
    other = dpap.DPAP(firing_network("4C3-AP2-6FC-3FC", (1, 4, 4), 2, seed=5))
    other.load_masks(pruner.masks)
    assert other.pruning_rates == pruner.pruning_rates
    assert not other.layers["conv1"].neuron_alive[1]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            {"fc1": torch.ones(4, 3, dtype=torch.bool)},
            r"of the layers \['fc1'\]; the network has \['fc1', 'fc2'\]",
        ),
        (
            {"fc1": torch.ones(4, 2, dtype=torch.bool), "fc2": torch.ones(2, 4, dtype=torch.bool)},
            r"mask of fc1 has shape \(4, 2\) and type torch.bool; expected \(4, 3\)",
        ),
        ({"fc1": torch.ones(4, 3), "fc2": torch.ones(2, 4, dtype=torch.bool)}, "fc1 .* type torch.float32"),
    ],
)
def test_masks_of_another_network_are_refused(masks, message):
    network = chain(3, 4, 2)
    with pytest.raises(dpap.InputError, match=message):
        set_masks(network, masks)
    with pytest.raises(dpap.InputError, match=message):
        dpap.DPAP(network).load_masks(masks)
    assert all(block.mask.all() for block in network.handmade)


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def bomb():
    """A member that says that it is larger than any layer may be."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("fc1.npy", bytes((1 << 26) + (1 << 17)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a file of masks"),
        (b"PK not really", "not a file of masks"),
        (archive(fc1=np.ones((2, 2), bool))[:-30], "not a file of masks"),
        (archive(fc1=np.ones((2, 2))), "fc1 is of type float64"),
        (archive(fc1=np.ones(4, bool)), "1 dimensions; expected bool with 2"),
        (archive(fc1=np.array([object()])), "not a file of masks"),
        (archive(), "holds no masks"),
        (bomb(), "too many"),
    ],
    # An archive holds the time, and every process of the tests is to give a test the same name.
    ids=["empty", "foreign", "cut", "floats", "one axis", "objects", "no member", "too large"],
)
def test_foreign_and_damaged_files_are_refused(tmp_path, content, message):
    path = tmp_path / "masks.npz"
    path.write_bytes(content)
    with pytest.raises(dpap.InputError, match=message):
        load_masks(path)


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(dpap.InputError, match="no such file"):
        load_masks(tmp_path / "none.npz")
    with pytest.raises(dpap.InputError, match="cannot write"):
        save_masks(tmp_path / "none" / "masks.npz", {"fc1": torch.ones(1, 1, dtype=torch.bool)})
