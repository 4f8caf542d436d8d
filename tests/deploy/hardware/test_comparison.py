import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states
from handmade import dense, graph, pulses, recording, small_chip

import deploy
from deploy.hardware import compare, estimate
from deploy.hardware.counterfactual import STORED_ZERO, with_all_neurons, with_stored_zeros
from deploy.ir import INPUT, ConvConnection
from deploy.ir.encoding import as_matrix

CAUSES = ["fewer spikes", "fewer synapses", "fewer neurons", "fewer cores"]


def by_hand(tmp_path):
    """Two inputs to two neurons to one; a chip of one neuron a core, all in tile 0.

    Dense: every synapse there, input spikes twice, a both twice, b twice. Pruned: a1 is gone, and a0
    receives the first input only; a0 spikes once, b once.
    """
    full = graph((2,), [dense("a", INPUT, [[2, 2], [2, 2]]), dense("b", "a", [[2, 2]])], 2)
    inputs = pulses([1, 1], [1, 1])
    before = recording(full, inputs, a=pulses([1, 1], [1, 1]), b=pulses([1], [1]))
    a, b = dense("a", INPUT, [[2, 0]]), dense("b", "a", [[2]])
    a = replace(a, shape=(2,), kept=np.array([0], np.int32))
    after = recording(graph((2,), [a, b], 2), inputs, a=pulses([1], [0]), b=pulses([0], [1]))
    chip = small_chip(tmp_path, neurons_per_core=1)
    return [deploy.measure(run.graph, run) for run in (before, after)], chip


def test_savings_by_hand(tmp_path):
    (before, after), chip = by_hand(tmp_path)
    result = compare(before, after, chip)
    counts = {name: list(saving.to_dict().values())[:5] for name, saving in result.counts.items()}
    # dense, zeros kept, zeros left out, neurons left out, pruned.
    assert counts["synapses"] == [6, 6, 2, 2, 2]
    assert counts["neurons"] == [3, 3, 3, 2, 2]
    # Input 4, a 4 and b 2; then input 4, a 1 and b 1.
    assert counts["spikes"] == [10, 6, 6, 6, 6]
    # a: 4 * 2 = 8; b: 4. With zeros stored a 8, b 1. Without: input 0 twice to a0 2, b 1.
    assert counts["SynOps"] == [12, 9, 3, 3, 3]
    assert counts["cores"] == [3, 3, 3, 2, 2]
    # A list of one weight takes 64 bits on each core: 4 of a, 2 of b; then one of a and one of b.
    assert counts["memory"] == [6 * 64, 6 * 64, 2 * 64, 2 * 64, 2 * 64]
    fit = result.energy["sanafe_fit"]
    assert fit.dense == estimate(before, chip).energy["sanafe_fit"]
    assert fit.pruned == estimate(after, chip).energy["sanafe_fit"]
    # Zeros kept: 9 dense events, 3 neurons twice, a0 updated twice (a1 has no synapse but zeros) and b
    # once, 2 spikes, 1 packet; no hops in a tile.
    zeros_kept = 9 * 35.5 + 6 * 51.2 + 3 * 21.6 + 2 * 69.3 + 111.0
    assert fit.zeros_kept * 1e12 == pytest.approx(zeros_kept)
    # Left out: lists of their own are sparse on a (half of it is zero) and b: 2 + 1 events.
    assert fit.zeros_left_out * 1e12 == pytest.approx(zeros_kept - 9 * 35.5 + 3 * 33.6)
    # Without a1: two accesses less; all is dense now.
    assert fit.neurons_left_out == pytest.approx(fit.pruned)
    assert list(fit.by_cause) == CAUSES
    assert sum(fit.by_cause.values()) == pytest.approx(fit.total) == pytest.approx(fit.dense - fit.pruned)


EVERY_KIND = [
    "4C3-AP2-6C3-12FC-5FC",
    "4C3-Res(4C3-4C3)-AP2-Delay2-Res(8FC-8FC|8FC)-5FC",
    "4C3s2-8C3g2d2p2-MP2-6RFC-5FC",
]


def pruned_pair(notation=EVERY_KIND[0], shape=(2, 8, 8), samples=4):
    def run(network):
        compiled = deploy.compile(network)
        return deploy.measure(compiled, deploy.run(compiled, random_inputs(network, samples)))

    def network():
        return with_random_states(firing_network(notation, shape, 3, input_max=3))

    small = network()
    for block in small.synaptic_blocks():
        torch.manual_seed(1)
        block.mask[torch.rand_like(block.mask) < 0.4] = 0
        if block is not small.synaptic_blocks()[-1]:
            block.mask[1] = 0
    return run(network()), run(small)


@pytest.mark.parametrize("target", ["loihi1", "loihi2-scaled", "spinnaker2", "cpu_i7_4960x"])
@pytest.mark.parametrize("notation", EVERY_KIND)
def test_causes_add_up_and_the_ends_are_the_estimates(target, notation):
    before, after = pruned_pair(notation)
    result = deploy.compare(before, after, target)
    ends = [estimate(measurement, target) for measurement in (before, after)]
    for savings, whole in ((result.energy, "energy"), (result.time, "latency")):
        for name, saving in savings.items():
            assert (saving.dense, saving.pruned) == tuple(getattr(end, whole)[name] for end in ends)
            if saving.total is not None:
                assert sum(saving.by_cause.values()) == pytest.approx(saving.total)
    for saving in result.counts.values():
        assert sum(saving.by_cause.values()) == pytest.approx(saving.total)
    assert ("cores" in result.counts) == target.startswith("loihi")
    assert result.label == ends[0].label
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


def test_stored_zeros_are_events_and_memory_but_no_updates():
    before, after = pruned_pair()
    result = compare(before, after)
    synops = result.counts["SynOps"]
    dense_synops = sum(layer.synops_dense for layer in after.layers.values()) / after.samples
    assert synops.zeros_kept == pytest.approx(dense_synops)
    assert synops.zeros_left_out >= synops.pruned
    assert result.counts["memory"].zeros_kept >= result.counts["memory"].pruned
    assert result.lower_bounds == ("davies2018",)


@pytest.mark.parametrize("unrolled", [False, True])
@pytest.mark.parametrize("notation", EVERY_KIND)
def test_a_network_is_put_back_together(unrolled, notation):
    _, after = pruned_pair(notation)
    run = after.recording
    if unrolled:
        layers = tuple(
            replace(layer, inputs=tuple(_as_matrix(incoming, run.graph) for incoming in layer.inputs))
            for layer in run.graph.layers
        )
        run = replace(run, graph=replace(run.graph, layers=layers))
    whole = with_all_neurons(run)
    for layer, removed in zip(whole.graph.layers, run.graph.layers, strict=True):
        assert layer.kept_shape == layer.shape
        np.testing.assert_array_equal(whole.kept[layer.name], run.spikes[layer.name])
        assert whole.graph.synapse_matrix(layer).nnz == run.graph.synapse_matrix(removed).nnz
    zeros = with_stored_zeros(whole.graph)
    measured = deploy.measure(zeros, replace(whole, graph=zeros))
    for layer in zeros.layers:
        assert measured[layer.name].synapses == after[layer.name].synapses_original
        # Where a weight is, it has stayed.
        was = whole.graph.synapse_matrix(whole.graph[layer.name]).toarray()
        now = zeros.synapse_matrix(layer).toarray()
        if all(incoming.connection.pool == 1 for incoming in layer.inputs):
            np.testing.assert_array_equal(np.where(now == STORED_ZERO, 0, now), was)


def _as_matrix(incoming, graph):
    connection = incoming.connection
    if not isinstance(connection, ConvConnection):
        return incoming
    return replace(incoming, connection=as_matrix(connection, graph.source_shape(incoming)))


def test_what_cannot_be_compared_is_refused():
    before, after = pruned_pair()
    other, _ = pruned_pair("4C3-AP2-6C3-10FC-5FC")
    with pytest.raises(ValueError, match="different layers"):
        compare(before, other)
    fewer, _ = pruned_pair(samples=3)
    with pytest.raises(ValueError, match="different inputs"):
        compare(fewer, after)
    with pytest.raises(deploy.HardwareError, match="'loihi9' is not known"):
        compare(before, after, "loihi9")
