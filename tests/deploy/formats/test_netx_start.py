"""Biases that fire before netx's first input: refused where that changes the sample, exact elsewhere."""

import numpy as np
import pytest
import torch
from netx_runs import add, different_layers, reference, spikes_of

import deploy
import dpap
from deploy.formats.netx import blocks
from dpap.blocks import Delay

LASTING = dpap.LIF(voltage_decay=0.0)
"""Adds up: 0.3 and 0.3 exceed the threshold of 0.5, one alone does not."""


def network_of(notation, steps, biases, weights=None, delay=1.0, **options):
    """Layers of two inputs each, by name ``fc1``, ...: neuron i excites neuron i with 1, where not said."""
    network = dpap.networks.build(notation, (2,), steps, bias=True, **options)
    for block in network.synaptic_blocks():
        given = (weights or {}).get(block.name)
        # A recurrent block has its own neurons' weights after those of its input.
        weight = torch.eye(*block.weight.shape) if given is None else torch.tensor(given)
        block.weight.data = weight.float()
        block.bias.data = torch.tensor(biases.get(block.name, [0.0] * len(block.weight)))
    for layer in network.layers.values():
        if isinstance(layer, Delay):
            layer.delay.data[:] = torch.as_tensor(delay)
    return network.eval()


def silence(network, samples=1):
    return np.zeros((samples, network.time_steps, 2), np.int64)


FIRST = {"fc1": [1.0, 0.0]}
"""A bias of 1, twice the threshold: neuron 0 of fc1 fires in every step."""

RECURRENT = {"fc1": [[1, 0, 0, 0], [0, 1, 1, 0]]}
"""Neuron 0 of fc1 excites neuron 1, a step later."""

EARLY = {
    # fc1 fires in step 0, one before the sample; with a delay of 1 that arrives in the sample's step 1.
    "delay": (
        lambda: network_of("2FC-Delay3-1FC", 6, FIRST),
        "fc2: in netx the delays from fc1 ",
        "fc1 1 step",
    ),
    "recurrence": (
        lambda: network_of("2RFC-1FC", 6, FIRST, {**RECURRENT, "fc2": [[0, 1]]}),
        "fc1: in netx its recurrent synapses ",
        "fc1 1 step",
    ),
    # fc2 has no bias: it fires in its step 0 since fc1 did.
    "by way of fc2": (
        lambda: network_of("2FC-2FC-Delay3-1FC", 6, FIRST),
        "fc3: in netx the delays from fc2 ",
        "fc1 1 step",
    ),
    # Of two steps before the sample: 0.3 + 0.3 fires in step 0.
    "added up": (
        lambda: network_of("2FC-2FC-Delay3-1FC", 6, {"fc2": [0.3, 0.0]}, neuron=LASTING),
        "fc3: in netx the delays from fc2 ",
        "fc2 2 steps",
    ),
    # The spike of step 0 arrives in step 4, the last.
    "late": (lambda: network_of("2FC-Delay9-1FC", 4, FIRST, delay=4.0), "fc2: in netx", "fc1 1 step"),
}
"""Networks whose first sample netx would run with other spikes, and what the refusal says."""

HARMLESS = {
    "of a sample alone": (lambda: network_of("2FC-2FC-1FC", 6, {**FIRST, "fc2": [0.0, 1.0]}), 1),
    "of two samples": (lambda: network_of("2FC-2FC-1FC", 6, {**FIRST, "fc2": [0.0, 0.3]}, neuron=LASTING), 2),
    "after the delay": (lambda: network_of("2FC-Delay3-2FC-1FC", 6, {"fc2": [1.0, 0.0]}), 1),
    "of a neuron without delay": (lambda: network_of("2FC-Delay3-1FC", 6, FIRST, delay=[0.0, 2.0]), 1),
    "of a neuron that excites none": (
        lambda: network_of("2FC-Delay3-1FC", 6, FIRST, {"fc2": [[0, 1]]}, delay=2.0),
        1,
    ),
    # fc1 has one step before the sample, in which 0.3 does not fire.
    "too small": (lambda: network_of("2FC-Delay3-1FC", 6, {"fc1": [0.3, 0.0]}, neuron=LASTING), 1),
    # As "added up", but each step is a sample, before which the voltage is reset.
    "reset before": (lambda: network_of("2FC-2FC-Delay3-1FC", 1, {"fc2": [0.3, 0.0]}, neuron=LASTING), 1),
    "lowered": (
        # 127 is the threshold, which a neuron must exceed; 0.5 * 254 = 127.
        lambda: network_of("2FC-Delay3-1FC", 6, {"fc1": [0.5, 0.0]}),
        1,
    ),
    "without biases": (lambda: network_of("2FC-Delay3-1FC", 6, {}), 1),
    "without the delay": (lambda: network_of("2FC-1FC", 6, FIRST), 1),
    "without recurrence": (lambda: network_of("2FC-1FC", 6, FIRST), 1),
}
"""Networks whose biases netx runs exactly, with the samples of a run; some follow the refusal's advice."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """By name the graph, its recording, and netx's spikes: of harmless networks, and of others unchecked."""
    folder, graphs, recordings = tmp_path_factory.mktemp("netx"), {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "check_start", lambda graph: None)
        made = {name: (make, 1) for name, (make, *_) in EARLY.items()} | HARMLESS
        for name, (make, samples) in made.items():
            network = make()
            graphs[name] = deploy.compile(network)
            inputs = silence(network, samples)
            # Something arrives too, in later steps.
            inputs[:, 2::3, 1] = 1
            recordings[name] = deploy.run(graphs[name], inputs)
            add(folder, name, graphs[name], inputs)
        status, errors = reference(folder)
        assert status == 0, errors
        theirs = {name: spikes_of(folder, name, graph, made[name][1]) for name, graph in graphs.items()}
    return graphs, recordings, theirs


@pytest.mark.parametrize("name", EARLY)
def test_what_would_change_the_sample_is_refused(ran, tmp_path, name):
    graphs, recordings, theirs = ran
    # netx does differ: the refusal is for cause.
    assert different_layers(theirs[name], recordings[name])
    with pytest.raises(deploy.ExportError) as raised:
        deploy.export(graphs[name], tmp_path / "model.net")
    _, beginning, steps = EARLY[name]
    assert str(raised.value).startswith(beginning)
    assert f", {steps} without input" in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_the_refusal_names_bias_and_limit(tmp_path):
    # A step of 1/254: the bias of 1 is 254, the threshold of 0.5 is 127, which is not exceeded by 127.
    with pytest.raises(
        deploy.ExportError, match=r"neuron 0 fires by a bias of 254 \(at most 127 would not\)"
    ):
        deploy.export(deploy.compile(EARLY["delay"][0]()), tmp_path / "model.net")
    # In two steps 64 + 64 exceeds 127, and 63 + 63 does not.
    with pytest.raises(deploy.ExportError, match=r"neuron 0 fires by a bias of 76 \(at most 63 would not\)"):
        deploy.export(deploy.compile(EARLY["added up"][0]()), tmp_path / "model.net")


def test_netx_begins_with_a_spike_of_before(ran):
    _, recordings, theirs = ran
    # The one neuron of fc2 receives fc1's spike of step 1 in step 2.
    assert recordings["delay"].kept["fc2"].ravel().tolist() == [0, 1, 1, 1, 1, 1]
    assert theirs["delay"]["fc2"].ravel().tolist() == [1, 1, 1, 1, 1, 1]
    # Neuron 1 of fc1, too, where neuron 0 excites it.
    assert recordings["recurrence"].kept["fc1"][0, :, 1].tolist() == [0, 1, 1, 1, 1, 1]
    assert theirs["recurrence"]["fc1"][0, :, 1].tolist() == [1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("name", HARMLESS)
def test_other_biases_are_exact(ran, tmp_path, name):
    graphs, recordings, theirs = ran
    assert different_layers(theirs[name], recordings[name]) == []
    deploy.export(graphs[name], tmp_path / "model.net")


@pytest.mark.parametrize("name", EARLY)
def test_what_is_refused_runs_as_nir_and_in_the_lava_backend(ran, tmp_path, name):
    graphs, recordings, _ = ran
    ours = recordings[name]
    deploy.export(graphs[name], tmp_path / "model.nir")
    again = deploy.compile(deploy.from_nir(tmp_path / "model.nir"))
    for backend, graph in (("fast", again), ("lava", graphs[name])):
        recording = deploy.run(graph, ours.inputs, backend=backend)
        assert np.array_equal(recording.output, ours.output)
