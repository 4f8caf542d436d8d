"""Random networks over all layers: torch evaluation, the fast simulator and Lava give the same spikes."""

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
import dpap


@st.composite
def convolutions(draw, channels):
    """A convolution of a small image, and its channels."""
    groups = draw(st.sampled_from([1, 1, 2]))
    outputs = groups * draw(st.integers(1, 3))
    kernel = draw(st.sampled_from(["1", "3", "3", "5", "3x1"]))
    options = f"g{groups}" if channels % groups == 0 else ""
    outputs = outputs if options else 3
    if draw(st.booleans()):
        options += f"s{draw(st.integers(1, 2))}p{draw(st.integers(1, 2))}"
    if kernel != "5":
        options += f"d{draw(st.integers(1, 2))}"
    return f"{outputs}C{kernel}{options}" + draw(st.sampled_from(["", "", "-BN"])), outputs


@st.composite
def notations(draw):
    """Notations of networks for images of 2 x 9 x 8: every kind of layer, in random order."""
    tokens, channels = [], 2
    for _ in range(draw(st.integers(0, 2))):
        token, channels = draw(convolutions(channels))
        tokens.append(token)
        tokens.extend(draw(st.sampled_from([[], ["Delay3"], ["DP0.5"]])))
        after = draw(st.sampled_from(["", "AP2", "MP2", "SP2", "MP3s1p1", "residual"]))
        if after == "residual":
            tokens.append(f"Res({channels}C3-{channels}C3)")
        elif after:
            tokens.append(after)
    for _ in range(draw(st.integers(0, 2))):
        neurons = draw(st.integers(1, 12))
        kind = draw(st.sampled_from(["FC", "RFC", "FC-BN", "FC-Delay2", "residual"]))
        tokens.append(f"{neurons}FC-Res({neurons}RFC)" if kind == "residual" else f"{neurons}{kind}")
    return "-".join([*tokens, "4FC"])


@st.composite
def networks(draw, longest=32):
    """Networks with dead channels and synapses, extreme weights, biases that fire, and every decay."""
    seed = draw(st.integers(0, 10_000))
    neuron = dpap.LIF(
        threshold=draw(st.sampled_from([0.05, 0.5, 3.0])),
        current_decay=draw(st.sampled_from([1.0, 0.7, 0.25])),
        voltage_decay=draw(st.sampled_from([0.8, 1.0, 0.1, 0.0])),
    )
    network = None
    while network is None:
        try:
            network = firing_network(
                draw(notations()),
                (2, 9, 8),
                draw(st.integers(1, longest)),
                input_max=draw(st.sampled_from([1, 1, 3])),
                gain=draw(st.sampled_from([1.0, 4.0, 40.0])),
                neuron=neuron,
                bias=draw(st.booleans()),
                seed=seed,
            )
        except dpap.NetworkError as error:
            # A window that does not fit: draw another.
            assert "larger than its input" in str(error)
    with_random_states(network, seed)
    generator = torch.Generator().manual_seed(seed)
    pruned = draw(st.sampled_from([0.0, 0.3, 0.9]))
    for block in network.synaptic_blocks():
        if block.prunable:
            block.mask[torch.rand(block.mask.shape, generator=generator) < pruned] = 0
            block.mask[torch.rand(len(block.mask), generator=generator) < pruned / 2] = 0
        if block.bias is not None:
            block.bias.data *= draw(st.sampled_from([0.0, 1.0, 10.0]))
    if draw(st.booleans()):
        chosen = draw(st.sampled_from(network.synaptic_blocks()))
        if chosen.prunable:
            chosen.weight.data.zero_()
    return network


def compiled(network):
    """The graph, or None where its bounds or a maximum over sums refuse it, by the name of a layer."""
    try:
        return deploy.compile(network)
    except deploy.CompileError as error:
        named = [name for name in network.layers if str(error).startswith(f"{name}:")]
        assert named, str(error)
        return None


@settings(max_examples=300)
@given(networks(), st.integers(0, 100))
def test_the_fast_simulator_is_torch(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 3, seed)
        certificate = deploy.verify(graph, network, inputs, backends=("fast",))
        assert certificate.mismatches == 0


@settings(max_examples=30)
@given(networks(longest=8), st.integers(0, 100))
def test_lava_is_torch(network, seed):
    graph = compiled(network)
    if graph is not None:
        certificate = deploy.verify(graph, network, random_inputs(network, 2, seed), backends=("lava",))
        assert certificate.mismatches == 0


@settings(max_examples=40)
@given(networks(longest=6))
def test_the_file_holds_the_network(tmp_path_factory, network):
    graph = compiled(network)
    if graph is not None:
        path = tmp_path_factory.mktemp("model") / "model.h5"
        graph.save(path)
        loaded, inputs = deploy.load(path), random_inputs(network, 2)
        ours, theirs = deploy.run(graph, inputs), deploy.run(loaded, inputs)
        assert all(np.array_equal(ours.kept[name], theirs.kept[name]) for name in ours.kept)


@settings(max_examples=60)
@given(networks(longest=8), st.integers(0, 100))
def test_step_by_step_is_the_same(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 2, seed)
        recording = deploy.run(graph, inputs)
        simulator = deploy.Simulator(graph, reset_every=graph.time_steps)
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
