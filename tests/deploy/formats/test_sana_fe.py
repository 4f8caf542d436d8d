"""Files written for SANA-FE, tested on the simulator itself: it loads them, and fires our spikes.

SANA-FE is GPL-3 and no dependency; where it is not installed these tests skip, but for what is refused.
"""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from factories import firing_network, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
import dpap
from deploy.formats.sana_fe.network import depths


class Reference:
    """The files of a folder, run by SANA-FE for one sample of a graph."""

    def __init__(self, folder, graph, architecture=None):
        sanafe = pytest.importorskip("sanafe", reason="SANA-FE is not installed (dependency group oracles)")
        self.architecture = sanafe.load_arch(architecture or folder / "architecture.yaml")
        self.network = sanafe.load_net(folder / "network.yaml", self.architecture)
        self.chip = sanafe.SpikingChip(self.architecture)
        self.chip.load(self.network)
        self.graph, self.depths = graph, depths(graph)
        self.result = self.chip.sim(
            graph.time_steps + max(self.depths.values()), timing_model="simple", spike_trace=True
        )

    def neurons(self):
        """Neurons of each group."""
        return {name: len(group.neurons) for name, group in self.network.groups.items()}

    def synapses(self):
        """Synapses that each group sends out, by the group that receives them."""
        counts = {}
        for name, group in self.network.groups.items():
            for neuron in group.neurons:
                for edge in neuron.edges_out:
                    pair = name, edge.post_neuron.group_name
                    counts[pair] = counts.get(pair, 0) + 1
        return counts

    def spikes(self, layer):
        """Spikes of a layer, ``(T, neurons)``, aligned with the input."""
        steps, depth = self.graph.time_steps, self.depths[layer.name]
        found = np.zeros((steps, layer.size), int)
        for step, fired in enumerate(self.result["spike_trace"]):
            for address in fired:
                name, neuron = str(address).rsplit(".", 1)
                if name == layer.name and 0 <= step - depth < steps:
                    found[step - depth, int(neuron)] = 1
        return found


def agree(folder, network, sample, graph=None):
    """Export, run on SANA-FE, and compare every spike; the reference and our recording."""
    graph = graph or deploy.compile(network)
    deploy.export(graph, folder, format="sana-fe", inputs=sample)
    reference, recording = Reference(folder, graph), deploy.run(graph, sample[None])
    for layer in graph.layers:
        ours = recording.kept[layer.name][0].reshape(graph.time_steps, -1)
        np.testing.assert_array_equal(reference.spikes(layer), ours, err_msg=layer.name)
    return reference, recording


def pruned(network, share):
    torch.manual_seed(3)
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < share] = 0
    return network


NETWORKS = {
    "convolution, pool, dense": ("4C3-AP2-12FC-5FC", (1, 6, 6), {}),
    "stride, groups, dilation": ("4C3s2-6C3g2d2p2-8FC-4FC", (2, 9, 7), {}),
    "maximum pool": ("4C3-MP2-8FC-4FC", (1, 6, 6), {}),
    "pool with neurons": ("4C3-SP2-8FC-4FC", (1, 6, 6), {}),
    "recurrent": ("10RFC-6RFC-4FC", (9,), {}),
    "both ways of equal length": ("4C3-Res(4C3|4C1)-6FC-4FC", (1, 6, 6), {}),
    "a current that does not decay": ("8FC-4FC", (9,), {"neuron": dpap.LIF(current_decay=0.0)}),
    "no leak": ("8FC-4FC", (9,), {"neuron": dpap.LIF(voltage_decay=0.0)}),
}


@pytest.mark.parametrize("share", [0, 0.6])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_spike_is_ours(tmp_path, name, share):
    notation, shape, options = NETWORKS[name]
    network = pruned(firing_network(notation, shape, 7, **options), share)
    reference, recording = agree(tmp_path / "out", network, random_inputs(network, 1)[0])
    graph = recording.graph
    assert recording.spikes[graph.output.name].any() or share
    neurons = reference.neurons()
    assert neurons.pop("input") == np.prod(shape)
    assert neurons == {layer.name: layer.size for layer in graph.layers}
    synapses = reference.synapses()
    for layer in graph.layers:
        received = sum(count for (_, target), count in synapses.items() if target == layer.name)
        assert received == graph.synapses()[layer.name]
    # Each spike is an event at each synapse of its neuron; some neurons go on firing after the last input.
    if not any(layer.recurrent or layer.neuron.current_decay == 0 for layer in graph.layers):
        measured = deploy.measure(graph, recording)
        assert reference.result["spikes"] == measured.total("synops_effective")
        fired = measured.total("spikes") + int(recording.inputs.sum())
        assert reference.result["neurons_fired"] == fired


def test_spikes_after_the_last_step_are_not_counted_as_ours(tmp_path):
    # A recurrent layer may go on firing; what is compared ends with the sample.
    network = firing_network("10RFC-4FC", (9,), 4, gain=8)
    _, recording = agree(tmp_path / "out", network, np.ones((4, 9), np.int64))
    assert recording.spikes["fc2"].any()


def test_biases_begin_with_the_input(tmp_path):
    network = firing_network("4C3-AP2-8FC-4FC", (1, 6, 6), 6, bias=True)
    for block in network.synaptic_blocks():
        block.bias.data = 0.2 + 0.6 * torch.rand(len(block.bias))
    reference, recording = agree(tmp_path / "out", network, np.zeros((6, 1, 6, 6), np.int64))
    assert recording.spikes["fc2"].any()
    assert reference.neurons()["bias"] == 3
    biases = sum(count for (source, _), count in reference.synapses().items() if source == "bias")
    assert biases == sum(np.count_nonzero(layer.neuron_bias) for layer in recording.graph.layers)


def test_graded_inputs_by_their_binary_digits(tmp_path):
    network = firing_network("4C3-AP2-8FC-4FC", (1, 6, 6), 5, input_max=20)
    reference, recording = agree(tmp_path / "out", network, random_inputs(network, 1)[0])
    graph = recording.graph
    # 20 is 10100: five digits.
    assert reference.neurons()["input"] == 5 * 36
    assert reference.synapses()["input", "conv1"] == 5 * graph.synapses()["conv1"]
    assert recording.spikes["fc2"].any()


@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000),
    notation=st.sampled_from(["3C3-AP2-6RFC-3FC", "3C3-MP2-3C3s2-4FC", "3C3-Res(3C3|3C1)-SP2-4FC"]),
    leak=st.sampled_from([0.0, 0.2, 0.371, 1.0]),
    share=st.floats(0, 0.9),
    largest=st.sampled_from([1, 6]),
)
def test_any_network_agrees(tmp_path_factory, seed, notation, leak, share, largest):
    network = firing_network(
        notation, (1, 6, 6), 5, seed=seed, neuron=dpap.LIF(voltage_decay=leak), input_max=largest, bias=True
    )
    agree(tmp_path_factory.mktemp("out") / "x", pruned(network, share), random_inputs(network, 1, seed)[0])


def test_it_runs_on_sana_fes_own_loihi(tmp_path):
    sanafe = pytest.importorskip("sanafe")
    own = Path(sanafe.__file__).parent / "examples" / "loihi.yaml"
    network = firing_network("4C3-AP2-8FC-4FC", (1, 6, 6), 5)
    graph, sample = deploy.compile(network), random_inputs(network, 1)[0]
    deploy.export(graph, tmp_path / "out", format="sana-fe", inputs=sample)
    ours, theirs = Reference(tmp_path / "out", graph), Reference(tmp_path / "out", graph, own)
    # The costs of our description are those of theirs.
    assert ours.result["energy"] == pytest.approx(theirs.result["energy"], rel=1e-9)
    assert ours.result["sim_time"] == pytest.approx(theirs.result["sim_time"], rel=1e-9)


def test_energy_and_time_are_those_of_our_estimate(tmp_path):
    # Neurons without memory: SANA-FE updates others while they keep a potential, which we do not count.
    network = firing_network("12FC-6FC", (9,), 6, neuron=dpap.LIF(voltage_decay=1.0))
    reference, recording = agree(tmp_path / "out", network, random_inputs(network, 1)[0])
    fit = deploy.estimate(deploy.measure(recording.graph, recording), "loihi1").cost_sets["sanafe_fit"]
    synapses = sum(part.value for part in fit.parts if part.name.startswith("synaptic"))
    assert reference.result["energy"]["synapse"] == pytest.approx(synapses, rel=1e-6)
    assert synapses > 0


def test_a_network_without_synapses(tmp_path):
    network = firing_network("4C3-6FC-3FC", (1, 5, 5), 3)
    for block in network.synaptic_blocks():
        block.mask.zero_()
    reference, _ = agree(tmp_path / "out", network, np.ones((3, 1, 5, 5), np.int64))
    assert reference.synapses() == {}


@pytest.mark.parametrize(
    ("notation", "options", "message"),
    [
        ("4C3-Res(4C3)-4FC", {}, r"fc1: spikes of conv2 and conv1 reach it after different numbers of steps"),
        ("6FC-Delay3-4FC", {}, r"fc2: it receives delayed spikes"),
        (
            "6FC-4FC",
            {"neuron": dpap.LIF(current_decay=0.5)},
            r"fc1: its synaptic current decays by 2048/4096",
        ),
        ("6FC-4FC", {"neuron": dpap.LIF(current_decay=0.0), "bias": True}, r"fc1: its bias would gather"),
    ],
)
def test_what_it_cannot_say_is_refused_by_layer(tmp_path, notation, options, message):
    shape = (1, 5, 5) if "C3" in notation else (7,)
    network = firing_network(notation, shape, 4, **options)
    for layer in network.layers.values():
        if isinstance(layer, dpap.blocks.Delay):
            layer.delay.data.fill_(2.0)
    with pytest.raises(deploy.ExportError, match=message):
        deploy.export(deploy.compile(network), tmp_path / "out", format="sana-fe")
    assert not list(tmp_path.iterdir())


def test_too_many_cores_and_wrong_names_are_refused(tmp_path):
    graph = deploy.compile(firing_network("300FC-4FC", (9,), 2))
    chip = yaml.safe_load((resources.files("hardware_configs") / "loihi1.yaml").read_text())
    chip["structure"]["neurons_per_core"]["value"] = 2
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(chip))
    with pytest.raises(deploy.ExportError, match=r"takes 153 cores .* one chip of 128"):
        deploy.export(graph, tmp_path / "out", "sana-fe", hardware=tmp_path / "small.yaml")
    with pytest.raises(deploy.ExportError, match=r"loihi2 cannot be described to SANA-FE.*use loihi1"):
        deploy.export(graph, tmp_path / "out", "sana-fe", hardware="loihi2")
    named = replace(graph, layers=(replace(graph.layers[0], name="a.b"), *graph.layers[1:]))
    with pytest.raises(deploy.ExportError, match=r"'a.b' cannot be the name of a group"):
        deploy.export(named, tmp_path / "out", "sana-fe")
    with pytest.raises(deploy.ExportError, match=r"no format 'onnx'; use one of h5, netx, nir, sana-fe"):
        deploy.export(graph, tmp_path / "out", "onnx")
    with pytest.raises(dpap.InputError, match="shape"):
        deploy.export(graph, tmp_path / "out", "sana-fe", inputs=np.zeros((2, 8), int))
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]
