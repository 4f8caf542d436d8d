"""Random networks over all layers: torch evaluation, the fast simulator and Lava give the same spikes.

And of rectified linear units the same messages.
"""

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
def notations(draw, spiking=True):
    """Notations of networks for images of 2 x 9 x 8: every kind of layer, in random order."""
    tokens, channels = [], 2
    between = [[], ["Delay3"], ["DP0.5"]] if spiking else [[], ["DP0.5"], ["AP2"], ["MP2"]]
    windows = ["AP2", "MP2", "SP2", "MP3s1p1"] if spiking else ["AP2", "MP2", "MP3s1p1", "AP3s2p1"]
    recurrent, last = ("RFC", ["FC-Delay2"]) if spiking else ("FC", [])
    if not spiking:
        tokens.extend(draw(st.sampled_from([[], [], ["MP2"], ["AP2"]])))
    for _ in range(draw(st.integers(0, 2))):
        token, channels = draw(convolutions(channels))
        tokens.append(token)
        tokens.extend(draw(st.sampled_from(between)))
        after = draw(st.sampled_from(["", *windows, "residual"]))
        if after == "residual":
            tokens.append(f"Res({channels}C3-{channels}C3)")
        elif after:
            tokens.append(after)
    for _ in range(draw(st.integers(0, 2))):
        neurons = draw(st.integers(1, 12))
        kind = draw(st.sampled_from(["FC", recurrent, "FC-BN", *last, "residual"]))
        tokens.append(f"{neurons}FC-Res({neurons}{recurrent})" if kind == "residual" else f"{neurons}{kind}")
    return "-".join([*tokens, "4FC"])


@st.composite
def networks(draw, longest=32):
    """Networks with dead channels and synapses, extreme weights, biases that fire, and every decay."""
    neuron = dpap.LIF(
        threshold=draw(st.sampled_from([0.05, 0.5, 3.0])),
        current_decay=draw(st.sampled_from([1.0, 0.7, 0.25])),
        voltage_decay=draw(st.sampled_from([0.8, 1.0, 0.1, 0.0])),
    )
    input_max, gain = draw(st.sampled_from([1, 1, 3])), draw(st.sampled_from([1.0, 4.0, 40.0]))
    return draw(pruned_networks(neuron, longest, input_max, gain))


@st.composite
def relu_networks(draw, longest=32):
    """The same of rectified linear units, with dead units of which some have biases that they send."""
    neuron = dpap.ReLU(
        threshold=draw(st.sampled_from([0.0, 0.0, 0.1, 2.0])), fraction_bits=draw(st.integers(0, 10))
    )
    input_max, gain = draw(st.sampled_from([1, 16, 255, 4095])), draw(st.sampled_from([0.1, 1.0, 1.0, 40.0]))
    return draw(pruned_networks(neuron, longest, input_max, gain))


@st.composite
def pruned_networks(draw, neuron, longest, input_max, gain):
    """Networks of a neuron, dead and living."""
    seed = draw(st.integers(0, 10_000))
    network = None
    while network is None:
        try:
            network = firing_network(
                draw(notations(neuron.type == "lif")),
                (2, 9, 8),
                draw(st.integers(1, longest)),
                input_max=input_max,
                gain=gain,
                neuron=neuron,
                bias=draw(st.booleans()),
                seed=seed,
            )
        except dpap.NetworkError as error:
            # A window that does not fit, or a sum of activations in different units: draw another.
            assert "larger than its input" in str(error) or "both must agree" in str(error)
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
        certificate = deploy.verify(graph, network, inputs, backends=("fast",))
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
        certificate = deploy.verify(graph, network, random_inputs(network, 2, seed), backends=("lava",))
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
            ours, theirs = deploy.run(graph, inputs), deploy.run(loaded, inputs)
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
            recording = deploy.run(graph, inputs)
        except deploy.ActivationOverflow:
            return
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
