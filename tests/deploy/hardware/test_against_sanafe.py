"""Counts and energies of our ``sanafe_fit`` against the SANA-FE simulator itself, on the same spikes.

SANA-FE is the reference here. It is GPL-3 and no dependency: where it is not installed these tests skip.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import firing_network
from handmade import dense, graph, recording, small_chip

import deploy
from deploy.hardware import count_traffic, estimate, load_hardware, map_graph
from deploy.ir import INPUT, CubaLIF

sanafe = pytest.importorskip(
    "sanafe", reason="the SANA-FE simulator is not installed (dependency group oracles)"
)

LOIHI1 = load_hardware("loihi1")
SYNAPSE = {
    "dense": "loihi_dense_synapse",
    "sparse": "loihi_sparse_synapse",
    "convolution": "loihi_conv_synapse",
}


def group(network, name, neurons, encoding, **attributes):
    return network.create_neuron_group(
        name,
        neurons,
        model_attributes=attributes,
        soma_hw_name="loihi_lif",
        default_synapse_hw_name=SYNAPSE[encoding],
        default_dendrite_hw_name="loihi_dendrites",
        log_spikes=True,
    )


def test_the_example_that_is_worked_out_by_hand():
    architecture, network = sanafe.load_loihi(), sanafe.Network()
    always = group(network, "a", 4, "dense", threshold=0.0, bias=1.0, force_update=True)
    silent = group(network, "b", 8, "dense", threshold=1e9)
    always.connect_neurons_dense(silent, {"weight": [1.0] * 32})
    for index, neurons in enumerate((always, silent)):
        neurons.map_to_core(architecture.tiles[0].cores[index])
    chip = sanafe.SpikingChip(architecture)
    chip.load(network)
    for total, soma, updated in ((2558.0, 978.0, 4), (2730.8, 1150.8, 12)):
        result = chip.sim(1, timing_model="simple")
        assert result["energy"]["total"] * 1e12 == pytest.approx(total, rel=1e-6)
        assert result["energy"]["soma"] * 1e12 == pytest.approx(soma, rel=1e-6)
        assert result["sim_time"] * 1e9 == pytest.approx(785.6, rel=1e-6)
        assert (result["neurons_updated"], result["packets_sent"], result["spikes"]) == (updated, 4, 32)
    # The same costs and the same time by our own formulas: test_sanafe.py.
    network = graph((4,), [dense("a", INPUT, np.zeros((4, 4))), dense("b", "a", np.full((8, 4), 2))], 1)
    run = recording(network, np.zeros((1, 1, 4), int), a=np.ones((1, 1, 4)), b=np.zeros((1, 1, 8)))
    fit = estimate(deploy.measure(network, run), LOIHI1).cost_sets["sanafe_fit"]
    assert fit.time == pytest.approx(result["sim_time"], rel=1e-6)
    # Ours has no bias: the 4 neurons that SANA-FE updates by their bias are not updated.
    assert fit.dynamic_energy == pytest.approx(result["energy"]["total"] - 4 * 21.6e-12, rel=1e-6)


def stateless(network, threshold):
    """A compiled network whose neurons keep nothing from step to step, as SANA-FE can have them, too."""
    compiled = deploy.compile(network)
    neuron = CubaLIF(current_decay=4096, voltage_decay=4096, threshold=threshold)
    return replace(compiled, layers=tuple(replace(layer, neuron=neuron) for layer in compiled.layers))


def _more_steps(compiled):
    """Until the last layer has received the last input, and has decayed what it kept of it."""
    return len(compiled.layers) + 1


def simulate(run, mapping):
    """The recording's graph and input on SANA-FE, placed as the mapping says."""
    compiled, steps = run.graph, run.inputs.shape[1]
    architecture, network = sanafe.load_loihi(), sanafe.Network()
    cores = [core for tile in architecture.tiles for core in tile.cores]
    inputs = int(np.prod(compiled.input_shape))
    source = network.create_neuron_group("input", inputs, log_spikes=True)
    trains = run.inputs[0].reshape(steps, inputs)
    for index in range(inputs):
        source[index].set_attributes(
            soma_hw_name=f"loihi_inputs[{index}]",
            default_synapse_hw_name=SYNAPSE["sparse"],
            dendrite_hw_name="loihi_dendrites",
            model_attributes={"spikes": trains[:, index].astype(bool).tolist()},
        )
        source[index].map_to_core(cores[mapping.cores])
    groups = {INPUT: source}
    for layer in compiled.layers:
        placed = mapping.layers[layer.name]
        threshold = float(layer.neuron.threshold)
        groups[layer.name] = group(
            network, layer.name, layer.size, placed.encoding, threshold=threshold, leak_decay=0.0
        )
        for neuron in range(layer.size):
            groups[layer.name][neuron].map_to_core(cores[placed.core_of[neuron]])
        weights = compiled.synapse_matrix(layer).toarray()
        targets, sources = np.nonzero(stored(layer, placed, weights))
        pairs = list(zip(sources.tolist(), targets.tolist(), strict=True))
        attributes = {"weight": weights[targets, sources].astype(float).tolist()}
        groups[layer.sources[0]].connect_neurons_sparse(groups[layer.name], attributes, pairs)
    chip = sanafe.SpikingChip(architecture)
    chip.load(network)
    return chip.sim(
        steps + _more_steps(compiled), timing_model="simple", spike_trace=True, message_trace=True
    )


def fired_in_sanafe(result, compiled, steps):
    """Spikes of each layer, ``(steps, neurons)``; those of layer k come k + 1 steps after their input."""
    spikes = {layer.name: np.zeros((steps, layer.size), int) for layer in compiled.layers}
    depth = {layer.name: index + 1 for index, layer in enumerate(compiled.layers)}
    for step, fired in enumerate(result["spike_trace"]):
        for address in fired:
            name, neuron = str(address).rsplit(".", 1)
            if name in spikes:
                spikes[name][step - depth[name], int(neuron)] = 1
    return spikes


def stored(layer, placed, weights):
    """Synapses that are stored, ``(targets, sources)``: in a dense list a zero is one, too."""
    if placed.encoding != "dense":
        return weights != 0
    listed = placed.synapses_on.toarray() > 0
    return listed[:, placed.core_of - placed.first_core].T


def updates_without_input(run, mapping):
    """Updates that SANA-FE makes and we do not count: of stored zeros, and of a potential that was kept."""
    total = 0
    for layer in run.graph.layers:
        weights = run.graph.synapse_matrix(layer).toarray()
        (name,) = layer.sources
        source = run.inputs if name == INPUT else run.kept[name]
        arriving = source[0].reshape(len(source[0]), -1).astype(int)
        # One step more, in which nothing arrives.
        arriving = np.concatenate([arriving, np.zeros_like(arriving[:1])])
        fired = run.kept[layer.name][0].reshape(len(source[0]), -1) > 0
        kept = ((arriving @ weights.T)[:-1] != 0) & ~fired
        received = arriving @ stored(layer, mapping.layers[layer.name], weights).T > 0
        received[1:] |= kept
        total += int(np.count_nonzero(received & (arriving @ (weights != 0).T == 0)))
    return total


NETWORKS = {
    "convolution, pool, dense": ("6C3-AP2-12FC-5FC", (1, 6, 6), 100, {"neurons_per_core": 25}),
    "two convolutions": ("3C3-5C3-12FC", (2, 5, 5), 150, {"neurons_per_core": 11}),
    "dense layers": ("40FC-30FC-10FC", (20,), 120, {"neurons_per_core": 7}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pruned_network_costs_what_sanafe_says(tmp_path, name):
    notation, shape, threshold, limits = NETWORKS[name]
    network = firing_network(notation, shape, 6)
    torch.manual_seed(2)
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < 0.4] = 0
    compiled = stateless(network, threshold)
    events = np.random.default_rng(1).random((1, 6, *shape)) < 0.3
    run = deploy.run(compiled, events.astype(np.int64))
    chip = small_chip(tmp_path, **limits)
    mapping = map_graph(compiled, chip.structure, chip.synapse_format)
    assert mapping.tiles > 1 and all(spikes.any() for spikes in run.kept.values())
    result = simulate(run, mapping)
    for layer, spikes in fired_in_sanafe(result, compiled, 6).items():
        np.testing.assert_array_equal(spikes, run.kept[layer][0].reshape(6, -1))
    measurement = deploy.measure(compiled, run)
    parts = {part.name: part for part in estimate(measurement, chip).cost_sets["sanafe_fit"].parts}
    traffic = count_traffic(run, mapping, chip.structure)
    packets = [m for trace in result["message_trace"] for m in trace if not m["placeholder"]]
    sent = [m for m in packets if m["src_neuron_group_id"] != "input"]
    from_input = [m for m in packets if m["src_neuron_group_id"] == "input"]
    assert (len(sent), len(from_input)) == (traffic.packets, traffic.input_packets)
    assert [sum(abs(m[f"src_{a}"] - m[f"dest_{a}"]) for m in sent) for a in "xy"] == [
        traffic.hops_east_west,
        traffic.hops_north_south,
    ]
    events = sum(part.count for part in parts.values() if part.name.startswith("synaptic"))
    assert result["spikes"] == events >= measurement.total("synops_effective")
    assert result["neurons_fired"] == measurement.total("spikes") + int(run.inputs.sum())

    def energy(*names):
        return sum(parts[part].value for part in names)

    synapses = energy(*(f"synaptic events, {encoding}" for encoding in SYNAPSE))
    assert result["energy"]["synapse"] == pytest.approx(synapses, rel=1e-6)
    # SANA-FE ran until the last layer had received the last step.
    more = (
        compiled.neurons * _more_steps(compiled) * 51.2e-12 + updates_without_input(run, mapping) * 21.6e-12
    )
    somas = energy("neuron accesses", "neuron updates", "spikes")
    assert result["energy"]["soma"] == pytest.approx(somas + more, rel=1e-6)
    # Sending the input, and its way, is not priced by us.
    hops = {a: sum(abs(m[f"src_{a}"] - m[f"dest_{a}"]) for m in from_input) for a in "xy"}
    off_chip = len(from_input) * 111e-12 + hops["x"] * 3.0e-12 + hops["y"] * 4.2e-12
    network = energy("packets sent", "packets received", "hops east-west", "hops north-south")
    assert result["energy"]["network"] == pytest.approx(network + off_chip, rel=1e-6)
