"""Random networks over all layers: strategies that the tests share."""

import torch
from factories import firing_network, with_random_states
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
    """Networks with pruned channels and synapses, extreme weights, biases that fire, and every decay."""
    neuron = dpap.LIF(
        threshold=draw(st.sampled_from([0.05, 0.5, 3.0])),
        current_decay=draw(st.sampled_from([1.0, 0.7, 0.25, 0.0])),
        voltage_decay=draw(st.sampled_from([0.8, 1.0, 0.1, 0.0])),
    )
    input_max, gain = draw(st.sampled_from([1, 1, 3, 255])), draw(st.sampled_from([1.0, 4.0, 40.0]))
    return draw(pruned_networks(neuron, longest, input_max, gain))


@st.composite
def relu_networks(draw, longest=32):
    """The same of rectified linear units, with pruned units of which some have biases that they send."""
    neuron = dpap.ReLU(
        threshold=draw(st.sampled_from([0.0, 0.0, 0.1, 2.0])), fraction_bits=draw(st.integers(0, 10))
    )
    input_max, gain = draw(st.sampled_from([1, 16, 255, 4095])), draw(st.sampled_from([0.1, 1.0, 1.0, 40.0]))
    return draw(pruned_networks(neuron, longest, input_max, gain))


@st.composite
def pruned_networks(draw, neuron, longest, input_max, gain):
    """Networks of a neuron, with pruned units and without."""
    seed = draw(st.integers(0, 10_000))
    network = None
    while network is None:
        try:
            network = firing_network(
                draw(notations(neuron.sends == "spikes")),
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
    chosen = draw(st.sampled_from(network.synaptic_blocks()))
    if chosen.prunable:
        # Nothing of it is left, or it inhibits, which drives voltages without leak down to where Lava clips.
        chosen.weight.data *= draw(st.sampled_from([1.0, 1.0, 0.0, -1.0]))
    return network


def compiled(network):
    """The graph, or None where its bounds or a maximum over sums refuse it, by the name of a layer."""
    try:
        return deploy.compile(network)
    except deploy.CompileError as error:
        named = [name for name in network.layers if str(error).startswith(f"{name}:")]
        assert named, str(error)
        return None
