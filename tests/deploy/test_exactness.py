"""Random networks over all layers: torch evaluation, the fast simulator and Lava give the same spikes.

And of rectified linear units the same messages.
"""

import numpy as np
import pytest
from factories import firing_network, random_inputs, with_random_states
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import compiled, networks, relu_networks

import deploy
import dpap


def held_inputs(network, samples, share, seed):
    """Inputs of which a share stays what it was the step before."""
    inputs = random_inputs(network, samples, seed)
    held = np.random.default_rng(seed).random(inputs.shape) < share
    for step in range(1, inputs.shape[1]):
        inputs[:, step] = np.where(held[:, step], inputs[:, step - 1], inputs[:, step])
    return inputs


@settings(max_examples=300)
@given(networks(), st.integers(0, 100))
def test_the_fast_simulator_is_torch(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 3, seed)
        certificate = deploy.verify(graph, network, inputs, backends=("fast",), on_overflow="wrap")
        assert certificate.mismatches == 0


@settings(max_examples=200)
@given(relu_networks(), st.integers(0, 100), st.sampled_from([0.0, 0.5, 1.0]))
def test_messages_of_the_fast_simulator_are_torchs(network, seed, held):
    graph = compiled(network)
    if graph is not None:
        inputs = held_inputs(network, 3, held, seed)
        try:
            certificate = deploy.verify(graph, network, inputs, backends=("fast",))
        except (deploy.ActivationOverflow, dpap.NetworkError) as error:
            assert "it must stay below" in str(error)
        else:
            assert certificate.mismatches == 0


@settings(max_examples=30)
@given(networks(longest=8), st.integers(0, 100))
def test_lava_is_torch(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 2, seed)
        certificate = deploy.verify(graph, network, inputs, backends=("lava",), on_overflow="wrap")
        assert certificate.mismatches == 0


@settings(max_examples=8)
@given(relu_networks(longest=6), st.integers(0, 100))
def test_messages_of_lava_are_torchs(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = held_inputs(network, 2, 0.5, seed)
        try:
            certificate = deploy.verify(graph, network, inputs, backends=("lava",))
        except (deploy.ActivationOverflow, dpap.NetworkError) as error:
            assert "it must stay below" in str(error)
        else:
            assert certificate.mismatches == 0


@settings(max_examples=40)
@given(st.one_of(networks(longest=6), relu_networks(longest=6)))
def test_the_file_holds_the_network(tmp_path_factory, network):
    graph = compiled(network)
    if graph is not None:
        path = tmp_path_factory.mktemp("model") / "model.h5"
        graph.save(path)
        loaded, inputs = deploy.load(path), random_inputs(network, 2)
        try:
            ours, theirs = (deploy.run(each, inputs, on_overflow="wrap") for each in (graph, loaded))
        except deploy.ActivationOverflow:
            return
        assert all(np.array_equal(ours.kept[name], theirs.kept[name]) for name in ours.kept)


@settings(max_examples=60)
@given(st.one_of(networks(longest=8), relu_networks(longest=8)), st.integers(0, 100))
def test_step_by_step_is_the_same(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 2, seed)
        try:
            recording = deploy.run(graph, inputs, on_overflow="wrap")
        except deploy.ActivationOverflow:
            return
        simulator = deploy.Simulator(graph, reset_every=graph.time_steps, on_overflow="wrap")
        for sample, steps in enumerate(inputs):
            for t, step in enumerate(steps):
                output = simulator.step(step)
                assert np.array_equal(output, recording.output[sample, t])
                for name, spikes in simulator.spikes.items():
                    assert np.array_equal(spikes, recording.kept[name][sample, t])


@pytest.mark.parametrize(
    "notation",
    [
        "8C3s2-AP2-20FC-5FC",
        "8C3s2d2p1g2-MP2-20FC-5FC",
        "8C3-BN-SP2-20RFC-5FC",
        "8C3-Res(8C3-8C3)-AP2-Delay3-Res(20FC-20FC|20FC)-5FC",
        "8C3x5-Delay4-MP3s2p1-12RFC-Delay2-6RFC-5FC",
        "Res(2C3-2C3)-AP2-Res(8C3|8C1)-8FC-5FC",
    ],
)
def test_every_layer_fires_and_agrees(notation):
    network = with_random_states(firing_network(notation, (2, 12, 12), 7, bias=True))
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 3))
    assert certificate.mismatches == 0
    for layers in certificate.backends.values():
        assert all(layer.spikes > 0 for layer in layers.values())
