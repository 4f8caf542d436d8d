"""What is deployed is as large as what survived, and no larger."""

import numpy as np
import pytest
import torch
from factories import firing_network

import deploy

RATES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)


def sizes(notation, shape, folder):
    """Stored weights, synapses, bytes of the file and of the unrolled matrices, by pruning rate."""
    rows = []
    for rate in RATES:
        network = firing_network(notation, shape, 3)
        *hidden, _ = network.synaptic_blocks()
        for block in hidden:
            block.weight.data.abs_()
            block.mask[torch.rand_like(block.mask) < rate] = 0
        graph = deploy.compile(network)
        graph.save(folder / "model.h5")
        matrices = [graph.synapse_matrix(layer) for layer in graph.layers]
        arrays = sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in matrices)
        synapses = sum(graph.synapses().values())
        rows.append(
            (graph.stored_weights, synapses, (folder / "model.h5").stat().st_size, arrays, graph.neurons)
        )
    return np.array(rows, float).T


@pytest.mark.parametrize(
    ("notation", "shape"), [("200FC-100FC-10FC", (150,)), ("16C3-24C3-AP2-80FC-10FC", (2, 12, 12))]
)
def test_sizes_follow_the_nonzeros(tmp_path, notation, shape):
    weights, synapses, file, arrays, neurons = sizes(notation, shape, tmp_path)
    assert (np.diff(weights) < 0).all() and weights[-1] < weights[0] / 40
    # 2 bytes a weight and 4 an index, of a synapse or of a whole kernel. The rest is HDF5's own blocks, of
    # which a file has more where a layer has more arrays, and does not grow with the weights.
    rest = file - 6 * weights
    assert (rest < 80_000).all()
    assert (file[:-1] - file[1:] >= 2 * (weights[:-1] - weights[1:])).all()
    # 4 bytes a weight and 4 an index, and 4 a row.
    assert (arrays == 8 * synapses + 4 * (neurons + len(notation.replace("AP2-", "").split("-")))).all()


def test_nothing_of_a_pruned_layer_is_left(tmp_path):
    def size(network):
        graph = deploy.compile(network)
        graph.save(tmp_path / "model.h5")
        return graph.stored_weights, (tmp_path / "model.h5").stat().st_size

    # 900 of 1000 neurons gone from both sides weigh what a network of 100 weighs.
    wide, narrow = (firing_network(f"{neurons}FC-10FC", (80,), 3) for neurons in (1000, 100))
    for block in (wide.layers["fc1"], narrow.layers["fc1"]):
        block.weight.data.abs_()
    wide.layers["fc1"].mask[100:] = 0
    (kept, large), (all_of_it, small) = size(wide), size(narrow)
    assert kept == pytest.approx(all_of_it, rel=0.02)
    assert large == pytest.approx(small, rel=0.02)
