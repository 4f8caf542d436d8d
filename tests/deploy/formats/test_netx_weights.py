"""Weights that Lava would clip are refused, and all others run as they are."""

from dataclasses import replace

import numpy as np
import pytest
from netx_runs import add, different_layers, reference, spikes_of
from scipy import sparse

import deploy
import dpap
from deploy.formats.netx import blocks
from deploy.ir import CubaLIF, Incoming, MatrixConnection


def layer_of(graph, name, matrices, threshold, bias=None):
    """A layer of two neurons without leak, whose synapses are matrices by source."""
    inputs = tuple(
        Incoming(source, MatrixConnection(sparse.csr_matrix(np.array(matrix, np.int16))))
        for source, matrix in matrices.items()
    )
    neuron = CubaLIF(current_decay=4096, voltage_decay=4096, threshold=threshold)
    bias = None if bias is None else np.array(bias, np.int32)
    kept = np.arange(2, dtype=np.int32)
    return replace(graph[name], inputs=inputs, neuron=neuron, bias=bias, kept=kept, without_fan_out=kept[:0])


def graph_of(weight, threshold, bias=None, recurrent=None):
    """fc1 passes the input on; fc2 has the given synapses and no memory."""
    graph = deploy.compile(dpap.networks.build("2FC-2RFC" if recurrent else "2FC-2FC", (2,), 6))
    synapses = {"fc1": weight} | ({"fc2": recurrent} if recurrent else {})
    return replace(
        graph,
        layers=(
            layer_of(graph, "fc1", {"input": [[2, 0], [0, 2]]}, 1),
            layer_of(graph, "fc2", synapses, threshold, bias),
        ),
    )


CLIPPED = {
    # 128 - 64 does not exceed 64. netx shifts by 2 bits, to -256, and takes a sign for a bit of magnitude, of
    # which none is left: Lava runs 0.
    "inhibition": (
        lambda: graph_of([[-64, 0], [0, -64]], 64, [128, 128]),
        "weights is positive and the least is -64",
    ),
    # A neuron that fired receives 30 + 4 - 32, which does not exceed 2. netx shifts by 3 bits, to -256; of
    # -255 Lava keeps 5 bits, -248, which is -31.
    "lateral": (
        lambda: graph_of([[30, 4], [4, 30]], 2, None, [[-32, 0], [0, -32]]),
        "recurrent weights is positive and the least is -32",
    ),
}
"""Graphs with weights that Lava clips, and what the refusal says."""

WHOLE = {
    "-62": lambda: graph_of([[-62, 0], [0, -62]], 64, [126, 126]),
    "-64 and 2": lambda: graph_of([[-64, 2], [0, -64]], 64, [128, 128]),
    "64": lambda: graph_of([[64, 0], [0, 64]], 63),
    "lateral": lambda: graph_of([[64, 0], [0, 64]], 1, None, [[-64, 0], [0, -62]]),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """By name the graph, its recording, and netx's spikes, of clipped weights too."""
    folder, graphs, recordings = tmp_path_factory.mktemp("netx"), {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "check_weights", lambda name, matrices: None)
        made = {f"clipped {name}": make for name, (make, _) in CLIPPED.items()} | WHOLE
        for name, make in made.items():
            graphs[name] = make()
            inputs = np.ones((1, 6, 2), np.int64)
            inputs[0, ::3, 1] = 0
            recordings[name] = deploy.run(graphs[name], inputs)
            add(folder, name, graphs[name], inputs)
        status, errors = reference(folder)
        assert status == 0, errors
        theirs = {name: spikes_of(folder, name, graph, 1) for name, graph in graphs.items()}
    return graphs, recordings, theirs


@pytest.mark.parametrize("name", CLIPPED)
def test_clipped_weights_are_refused(ran, tmp_path, name):
    graphs, recordings, theirs = ran
    graph, ours = graphs[f"clipped {name}"], recordings[f"clipped {name}"]
    assert different_layers(theirs[f"clipped {name}"], ours) == ["fc2"]
    with pytest.raises(deploy.ExportError, match=f"fc2: none of its {CLIPPED[name][1]}, which netx shifts"):
        deploy.export(graph, tmp_path / "model.net")
    # What the refusal says to use.
    deploy.export(graph, tmp_path / "model.nir")
    again = deploy.compile(deploy.from_nir(tmp_path / "model.nir"))
    for backend, other in (("fast", again), ("lava", graph)):
        assert np.array_equal(deploy.run(other, ours.inputs, backend=backend).output, ours.output)


@pytest.mark.parametrize("name", WHOLE)
def test_other_weights_are_whole(ran, tmp_path, name):
    graphs, recordings, theirs = ran
    assert different_layers(theirs[name], recordings[name]) == []
    deploy.export(graphs[name], tmp_path / "model.net")
