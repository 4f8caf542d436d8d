import numpy as np
import pytest
from factories import firing_network, halved, random_inputs
from handmade import small_chip

import deploy
from deploy.graph import INPUT
from deploy.graph.connection import unrolled
from deploy.hardware import count_traffic, map_graph
from deploy.hardware.activity import count_steps

COUNTS = ("updated", "fired", "sent", "received", "synops")


def counted(run, chip, **options):
    mapping = map_graph(run.graph, chip.structure, chip.synapse_format)
    batches = list(count_steps(run, mapping, **options))
    whole = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in COUNTS}
    return mapping, batches, whole


def one_by_one(run, mapping):
    """The same counts, spike by spike and synapse by synapse."""
    samples, steps = run.inputs.shape[:2]
    counts = {name: np.zeros((samples, steps, mapping.cores), int) for name in COUNTS}
    for layer in run.graph.layers:
        placed = mapping.layers[layer.name]
        core_of = placed.core_of
        targets_of = unrolled(layer.connection, run.graph.source_shape(layer)).tocsc()
        source = run.inputs if layer.source == INPUT else run.kept[layer.source]
        source = source.reshape(samples, steps, -1)
        own = run.kept[layer.name].reshape(samples, steps, -1)
        for sample, step in np.ndindex(samples, steps):
            here = {name: count[sample, step] for name, count in counts.items()}
            reached = set()
            for neuron in np.flatnonzero(source[sample, step]):
                times = int(source[sample, step, neuron])
                start, stop = targets_of.indptr[neuron : neuron + 2]
                targets = targets_of.indices[start:stop]
                reached.update(targets.tolist())
                cores = {int(core_of[target]) for target in targets}
                # A dense list has a weight for every neuron of its core.
                stored = (
                    np.flatnonzero(np.isin(core_of, list(cores))) if placed.encoding == "dense" else targets
                )
                for target in stored:
                    here["synops"][core_of[target]] += times
                for core in cores:
                    here["received"][core] += times
                    if layer.source != INPUT:
                        here["sent"][mapping.layers[layer.source].core_of[neuron]] += times
            for target in reached:
                here["updated"][core_of[target]] += 1
            for neuron in np.flatnonzero(own[sample, step]):
                here["fired"][core_of[neuron]] += 1
    return counts


@pytest.mark.parametrize(
    "notation, shape, input_max",
    [("4C3-AP2-6C3-AP2-12FC-5FC", (1, 8, 8), 4), ("40FC-50FC-5FC", (6,), 1), ("3C3-8FC", (2, 6, 6), 1)],
)
def test_counts_of_every_core_and_step_agree_with_a_loop_over_spikes(tmp_path, notation, shape, input_max):
    network = firing_network(notation, shape, 3, input_max=input_max)
    run = deploy.run(deploy.compile(network), random_inputs(network, 3))
    assert all(spikes.any() for spikes in run.kept.values())
    chip = small_chip(tmp_path, neurons_per_core=30, input_axons_per_core=100)
    mapping, batches, counts = counted(run, chip)
    assert mapping.cores > len(run.graph.layers)
    for name, expected in one_by_one(run, mapping).items():
        np.testing.assert_array_equal(counts[name], expected, err_msg=name)
    sizes = [np.bincount(layer.core_of, minlength=mapping.cores) for layer in mapping.layers.values()]
    np.testing.assert_array_equal(batches[0].neurons, np.sum(sizes, axis=0))


def test_sums_over_cores_agree_with_the_measurement_and_the_traffic(tmp_path):
    network = halved(firing_network("16C3-AP2-32C3-AP2-128FC-10FC", (1, 8, 8), 8, input_max=16))
    run = deploy.run(deploy.compile(network), random_inputs(network, 20))
    measurement = deploy.measure(run.graph, run)
    chip = small_chip(tmp_path, neurons_per_core=100)
    mapping, _, counts = counted(run, chip)
    traffic = count_traffic(run, mapping, chip.structure)
    for name, layer in mapping.layers.items():
        cores = slice(layer.first_core, layer.first_core + layer.cores)
        sums = {count: int(values[..., cores].sum()) for count, values in counts.items()}
        measured = measurement[name]
        assert sums["updated"] == measured.neuron_updates_with_input
        assert sums["fired"] == measured.spikes
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
