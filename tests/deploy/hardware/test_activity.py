from dataclasses import replace

import numpy as np
import pytest
from factories import firing_network, halved, random_inputs, with_random_states
from handmade import dense, graph, pulses, small_chip

import deploy
from deploy.hardware import count_traffic, map_graph
from deploy.hardware.activity import count_steps
from deploy.ir import INPUT
from deploy.ir.connection import unrolled

COUNTS = ("updated", "fired", "sent", "received", "synops")


def counted(run, chip, **options):
    mapping = map_graph(run.graph, chip.structure, chip.synapse_format)
    batches = list(count_steps(run, mapping, **options))
    whole = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in COUNTS}
    return mapping, batches, whole


def arrivals(run, layer, incoming):
    """What arrives from one source, each spike moved by itself: ``(samples, steps, neurons)``."""
    activity = run.inputs if incoming.source == INPUT else run.kept[incoming.source]
    activity = activity.reshape(*activity.shape[:2], -1)
    arrived = np.zeros(activity.shape, int)
    for sample, step, neuron in np.argwhere(activity):
        late = int(incoming.source == layer.name)
        late += 0 if incoming.delays is None else int(incoming.delays.ravel()[neuron])
        if step + late < activity.shape[1]:
            arrived[sample, step + late, neuron] = activity[sample, step, neuron]
    return arrived


def one_by_one(run, mapping):
    """The same counts, spike by spike and synapse by synapse."""
    samples, steps = run.inputs.shape[:2]
    counts = {name: np.zeros((samples, steps, mapping.cores), int) for name in COUNTS}
    for layer in run.graph.layers:
        placed = mapping.layers[layer.name]
        core_of = placed.core_of
        own = run.kept[layer.name].reshape(samples, steps, -1)
        arriving = [arrivals(run, layer, incoming) for incoming in layer.inputs]
        for sample, step in np.ndindex(samples, steps):
            here = {name: count[sample, step] for name, count in counts.items()}
            reached = set()
            for incoming, arrived in zip(layer.inputs, arriving, strict=True):
                source_shape = run.graph.source_shape(incoming)
                targets_of = unrolled(incoming.connection, source_shape).tocsc()
                for neuron in np.flatnonzero(arrived[sample, step]):
                    times = int(arrived[sample, step, neuron])
                    start, stop = targets_of.indptr[neuron : neuron + 2]
                    targets = targets_of.indices[start:stop]
                    reached.update(targets.tolist())
                    cores = {int(core_of[target]) for target in targets}
                    # A dense list has a weight for every neuron of its core.
                    dense = placed.encoding == "dense"
                    stored = np.flatnonzero(np.isin(core_of, list(cores))) if dense else targets
                    for target in stored:
                        here["synops"][core_of[target]] += times
                    for core in cores:
                        here["received"][core] += times
                        if incoming.source != INPUT:
                            here["sent"][mapping.layers[incoming.source].core_of[neuron]] += times
            for target in reached:
                here["updated"][core_of[target]] += 1
            for neuron in np.flatnonzero(own[sample, step]):
                here["fired"][core_of[neuron]] += 1
    return counts


EVERY_KIND = {
    "residual": ("4C3-Res(4C3)-AP2-Res(6FC-6FC|6FC)-5FC", (2, 6, 6), 1),
    "two ways from one source": ("4C3-Res(Delay1)-8FC", (1, 5, 5), 1),
    "recurrent": ("20RFC-40RFC-5FC", (6,), 2),
    "delays": ("4C3-Delay2-AP2-6FC-Delay2-5FC", (1, 6, 6), 1),
    "strides, dilation and groups": ("4C3s2-4C3d2g2-8FC", (2, 9, 9), 3),
    "maximum and spiking pools": ("4C3-MP3s2p1-SP2-4C2p0-8RFC", (1, 9, 9), 1),
}


def run_of(notation, shape, input_max, steps=4, samples=2, **options):
    network = with_random_states(firing_network(notation, shape, steps, input_max=input_max, **options))
    return deploy.run(deploy.compile(network), random_inputs(network, samples))


@pytest.mark.parametrize(
    "notation, shape, input_max",
    [
        ("4C3-AP2-6C3-AP2-12FC-5FC", (1, 8, 8), 4),
        ("40FC-50FC-5FC", (6,), 1),
        ("3C3-8FC", (2, 6, 6), 1),
        *EVERY_KIND.values(),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_counts_of_every_core_and_step_agree_with_a_loop_over_spikes(
    tmp_path, notation, shape, input_max, bias
):
    run = run_of(notation, shape, input_max, bias=bias)
    assert all(spikes.any() for spikes in run.kept.values())
    chip = small_chip(tmp_path, neurons_per_core=30, input_axons_per_core=100)
    mapping, batches, counts = counted(run, chip)
    assert mapping.cores > len(run.graph.layers)
    for name, expected in one_by_one(run, mapping).items():
        np.testing.assert_array_equal(counts[name], expected, err_msg=name)
    sizes = [np.bincount(layer.core_of, minlength=mapping.cores) for layer in mapping.layers.values()]
    np.testing.assert_array_equal(batches[0].neurons, np.sum(sizes, axis=0))
    check_sums(run, chip, mapping, counts, stored_zeros=True)


def test_a_neuron_that_its_bias_drives_is_updated_where_a_spike_arrives(tmp_path):
    # A bias of 2 is over the threshold of 1: the neuron fires in all three steps, and a spike arrives in one.
    layer = replace(dense("a", INPUT, [[2]]), bias=np.array([2], np.int32))
    run = deploy.run(graph((1,), [layer], 3), pulses([0], [1], [0]))
    assert run.kept["a"].ravel().tolist() == [1, 1, 1]
    measurement = deploy.measure(run.graph, run)
    assert measurement["a"].neuron_updates_with_input == 1
    _, _, counts = counted(run, small_chip(tmp_path))
    assert counts["updated"].ravel().tolist() == [0, 1, 0]
    assert counts["fired"].ravel().tolist() == [1, 1, 1]


def test_sums_over_cores_agree_with_the_measurement_and_the_traffic(tmp_path):
    network = halved(firing_network("16C3-AP2-32C3-AP2-128FC-10FC", (1, 8, 8), 8, input_max=16))
    run = deploy.run(deploy.compile(network), random_inputs(network, 20))
    chip = small_chip(tmp_path, neurons_per_core=100)
    mapping, _, counts = counted(run, chip)
    check_sums(run, chip, mapping, counts)


def check_sums(run, chip, mapping, counts, stored_zeros=False):
    measurement = deploy.measure(run.graph, run)
    traffic = count_traffic(run, mapping, chip.structure)
    for name, layer in mapping.layers.items():
        cores = slice(layer.first_core, layer.first_core + layer.cores)
        sums = {count: int(values[..., cores].sum()) for count, values in counts.items()}
        measured = measurement[name]
        assert sums["updated"] == measured.neuron_updates_with_input
        assert sums["fired"] == measured.spikes
        if stored_zeros and layer.synapses_on.sum() > measured.synapses:
            assert layer.encoding == "dense" and sums["synops"] >= measured.synops_effective_unary
        else:
            assert sums["synops"] == measured.synops_effective_unary
    assert counts["sent"].sum() == traffic.packets
    assert counts["received"].sum() == traffic.packets + traffic.input_packets


def test_counts_do_not_depend_on_the_batch(tmp_path):
    network = firing_network("4C3-AP2-8FC", (1, 6, 6), 4)
    run = deploy.run(deploy.compile(network), random_inputs(network, 5))
    chip = small_chip(tmp_path, neurons_per_core=20)
    _, batches, whole = counted(run, chip)
    _, single, parts = counted(run, chip, memory_bytes=1)
    assert (len(batches), len(single)) == (1, 5)
    for name in COUNTS:
        np.testing.assert_array_equal(whole[name], parts[name])
