"""What netx cannot say is refused, and the advice of each refusal works."""

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states

import deploy
import dpap
from deploy.formats.netx import blocks

LASTING = dpap.LIF(voltage_decay=0.0)
"""Adds up: 0.3 and 0.3 exceed the threshold of 0.5, one alone does not."""


def network_of(notation, shape=(1, 8, 8), steps=4, **options):
    return with_random_states(firing_network(notation, shape, steps, **options))


def cut_off(kept=0):
    """Each neuron of fc2 fires in every second step, of itself; so many synapses are left."""
    network = firing_network("6FC-2FC-5FC", (4,), 4, bias=True, neuron=LASTING)
    network.layers["fc2"].bias.data[:] = 0.3
    network.layers["fc2"].weight.data.view(-1)[kept:] = 0
    return network


def with_delays(notation, delays):
    network = firing_network(notation, (6,), 70)
    for name, delay in zip(("delay1", "delay2"), delays, strict=True):
        network.layers[name].delay.data[:] = delay
    return network


REFUSED = {
    "residual": (
        lambda: network_of("4C3-Res(4C3-4C3)-3FC"),
        "fc1: it receives spikes from conv3, conv1, and a netx file is a chain",
        "without residual connections",
        lambda: network_of("4C3-4C3-4C3-3FC"),
    ),
    "recurrent with delays": (
        lambda: network_of("6FC-Delay3-6RFC-5FC"),
        "fc2: netx cannot run a recurrent layer with delays",
        "remove the Delay",
        lambda: network_of("6FC-6RFC-5FC"),
    ),
    # 31 + 32 steps, and 31 + 31. There is no Delay63.
    "delays": (
        lambda: with_delays("6FC-Delay62-Delay62-5FC", (31.0, 32.0)),
        "fc2: a delay of 63 steps from fc1, and netx has at most 62",
        "train with delays that add up to no more, as one Delay62 does",
        lambda: with_delays("6FC-Delay62-Delay62-5FC", (31.0, 31.0)),
    ),
    "no synapses": (
        cut_off,
        "fc2: it has no synapses, which netx cannot run, and its biases make each of its neurons fire",
        "prune less",
        lambda: cut_off(kept=1),
    ),
    # conv2 has 4 x 8 x 8 neurons, of as many sources.
    "dense for delays": (
        lambda: network_of("4C3-Delay3-4C3-3FC"),
        "conv2: as a dense block it has 256 x 256 weights, more than 1000",
        "leave out delays before convolutions",
        lambda: network_of("4C3-4C3-3FC"),
    ),
    # 7 x 7 after the first: windows of 2 leave out a row, and conv2 has 4 x 3 x 3 neurons.
    "dense for a pool": (
        lambda: network_of("4C2p0-AP2-4C3-3FC"),
        "conv2: as a dense block it has 36 x 196 weights, more than 1000",
        "let pools tile their input",
        lambda: network_of("4C3-AP2-4C3-3FC"),
    ),
    # Some of fc1's 40 neurons are silent and left out.
    "large": (
        lambda: network_of("40FC-40FC-5FC", (4,)),
        "fc2: as a dense block it has 40 x ",
        "use fewer neurons",
        lambda: network_of("30FC-30FC-5FC", (4,)),
    ),
    "large and recurrent": (
        lambda: network_of("30RFC-5FC", (4,)),
        "fc1: as a dense block it has 30 x 34 weights, more than 1000",
        "use fewer neurons",
        lambda: network_of("20RFC-5FC", (4,)),
    ),
}
"""By name a network, the beginning of its refusal, what to do, and a network in which that is done."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_WEIGHTS", 1000)


@pytest.mark.parametrize("name", REFUSED)
def test_the_refusal_says_what_to_do_and_that_works(tmp_path, name):
    make, beginning, advice, mended = REFUSED[name]
    with pytest.raises(deploy.ExportError) as raised:
        deploy.export(deploy.compile(make()), tmp_path / "model.net")
    assert str(raised.value).startswith(beginning)
    assert advice in str(raised.value)
    assert not list(tmp_path.iterdir())
    deploy.export(deploy.compile(mended()), tmp_path / "model.net")


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "delays"])
def test_nir_takes_what_is_refused(tmp_path, name):
    network = REFUSED[name][0]()
    with pytest.raises(deploy.ExportError, match=r"NIR \(\.nir\)"):
        deploy.export(deploy.compile(network), tmp_path / "model.net")
    graph, inputs = deploy.compile(network), random_inputs(network, 2)
    deploy.export(graph, tmp_path / "model.nir")
    again = deploy.compile(deploy.from_nir(tmp_path / "model.nir"))
    assert np.array_equal(deploy.run(again, inputs).output, deploy.run(graph, inputs).output)


def test_rectified_units_go_into_h5_and_to_lava_dl(tmp_path):
    network = firing_network("4C3-5FC", (1, 4, 4), 4, neuron=dpap.ReLU(), input_max=16)
    graph = deploy.compile(network)
    with pytest.raises(
        deploy.ExportError, match=r"conv1 has sigma-delta units.*as \.h5, or.* dpap\.to_slayer"
    ):
        deploy.export(graph, tmp_path / "model.net")
    deploy.export(graph, tmp_path / "model.h5")
    inputs = random_inputs(network, 2)
    loaded = deploy.load(tmp_path / "model.h5")
    assert np.array_equal(deploy.run(loaded, inputs).output, deploy.run(graph, inputs).output)
    assert isinstance(dpap.to_slayer(network), torch.nn.Module)
