"""Neurons with an adaptive threshold: torch, SLAYER, the fast simulator and Lava, and every command."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from lava.lib.dl.slayer.neuron import alif
from random_networks import compiled, pruned_networks
from scipy import sparse
from test_cli import run
from test_command_sequences import assert_same_weights, interrupt

import deploy
import dpap
from deploy.ir import MatrixConnection
from deploy.ir.neurons import DEPLOYED, NEURONS
from dpap.neurons import Population
from dpap.neurons.surrogate import derivative_torch

ATRLIF = NEURONS["atrlif"]

DECAYS = (1.0, 0.7, 0.25, 0.0)


@st.composite
def neurons(draw):
    """Every decay, thresholds that few or all inputs reach, and steps from none to larger ones."""
    decays = {
        f"{state}_decay": draw(st.sampled_from(DECAYS))
        for state in ("current", "voltage", "threshold", "refractory")
    }
    return dpap.ALIF(
        threshold=draw(st.sampled_from([0.05, 0.5, 3.0])),
        threshold_step=draw(st.sampled_from([0.0, 0.1, 2.0])),
        **decays,
    )


@st.composite
def networks(draw, longest=32):
    input_max, gain = draw(st.sampled_from([1, 1, 3, 255])), draw(st.sampled_from([1.0, 4.0, 40.0]))
    return draw(pruned_networks(draw(neurons()), longest, input_max, gain))


def one_neuron(sums, step=1, threshold=2, **decays):
    """Spikes of one neuron with threshold 2 for these sums, by torch and by the simulator's kernel."""
    decays = {"current_decay": 1.0, "voltage_decay": 0.5, "threshold_decay": 0.5} | decays
    neuron = dpap.ALIF(threshold=threshold, threshold_step=step, refractory_decay=0.5, **decays)
    current = torch.tensor(sums, dtype=torch.float32).reshape(-1, 1, 1)
    by_torch = neuron.spikes(current, Population(neuron, threshold, 1.0, len(sums))).flatten().tolist()
    integers = type("Integers", (), {"threshold": threshold})
    kind = DEPLOYED["alif"].of(neuron, integers, 1.0)
    states, spikes, left = kind.rest(1), np.empty(1, np.uint8), np.empty(1, np.int32)
    by_kernel = []
    for total in sums:
        assert not kind.step(
            np.array([total], np.int32), np.zeros(1, np.int32), kind.constants, states, spikes, left
        )
        by_kernel.append(float(spikes[0]))
    assert by_torch == by_kernel
    return by_torch, [state[0] / 64 for state in states]


def test_by_hand():
    # In units of 64, halves kept.
    # t=0: v = 2 reaches theta = 2: a spike, r = 4, theta = 3.
    # t=1: v = 1 + 6 = 7, theta = 0.5 + 2 = 2.5, r = 2: 7 - 2 >= 2.5, a spike, r = 2 + 5 = 7, theta = 3.5.
    # t=2: v = 3.5 + 1 = 4.5, theta = 0.75 + 2 = 2.75, r = 3.5: 1 does not reach it.
    # t=3: v = 2.25 + 2 = 4.25, theta = 2.375, r = 1.75: 2.5 does, r = 1.75 + 4.75 = 6.5, theta = 3.375.
    spikes, states = one_neuron([2, 6, 1, 2])
    assert spikes == [1, 1, 0, 1]
    assert states == [2, 4.25, 3.375, 6.5]


def test_the_threshold_is_reached_where_it_is_equalled():
    # A LIF has to exceed it.
    assert one_neuron([2])[0] == [1]
    assert one_neuron([1])[0] == [0]
    population = Population(dpap.LIF(threshold=2), 2, 1.0, 1)
    assert dpap.LIF(threshold=2).spikes(torch.full((1, 1, 1), 2.0), population).item() == 0


@settings(max_examples=80)
@given(
    neuron=neurons(),
    threshold=st.integers(1, 2000),
    step=st.integers(0, 2000),
    sums=st.lists(st.integers(-500, 500), min_size=1, max_size=40),
)
def test_slayer_agrees(neuron, threshold, step, sums):
    # SLAYER's states are in units of 1/4096, and its thresholds in 1/64; it neither wraps nor clips.
    neuron = neuron.model_copy(update={"threshold": threshold / 64, "threshold_step": step / 64})
    current = torch.tensor(sums, dtype=torch.float32).reshape(-1, 1, 1)
    ours = neuron.spikes(current, Population(neuron, threshold, 64.0, len(sums)))
    decays = [getattr(neuron, f"{s}_decay") for s in ("current", "voltage", "threshold", "refractory")]
    stock = alif.Neuron(threshold / 64, step / 64, *decays)
    assert (stock.device_params["vThMant"], stock.device_params["vThStep"]) == (threshold, step)
    theirs = stock((current / 64).permute(1, 2, 0))
    assert torch.equal((theirs > 0).float().permute(2, 0, 1), ours)


@settings(max_examples=80)
@given(networks(), st.integers(0, 100))
def test_the_fast_simulator_is_torch(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 3, seed)
        certificate = deploy.verify(graph, network, inputs, backends=("fast",), on_overflow="wrap")
        assert certificate.mismatches == 0


@settings(max_examples=8)
@given(networks(longest=8), st.integers(0, 100))
def test_lava_is_torch(network, seed):
    graph = compiled(network)
    if graph is not None:
        inputs = random_inputs(network, 2, seed)
        certificate = deploy.verify(graph, network, inputs, backends=("lava",), on_overflow="wrap")
        assert certificate.mismatches == 0


@settings(max_examples=20)
@given(networks(longest=8), st.integers(0, 100))
def test_step_by_step_and_from_the_file(tmp_path_factory, network, seed):
    graph = compiled(network)
    if graph is not None:
        path = tmp_path_factory.mktemp("model") / "model.h5"
        graph.save(path)
        inputs = random_inputs(network, 2, seed)
        recording = deploy.run(graph, inputs, on_overflow="wrap")
        simulator = deploy.Simulator(deploy.load(path), reset_every=graph.time_steps, on_overflow="wrap")
        for sample, steps in enumerate(inputs):
            for t, step in enumerate(steps):
                assert np.array_equal(simulator.step(step), recording.output[sample, t])


@pytest.mark.parametrize("notation", ["8C3-BN-SP2-20RFC-5FC", "8C3-Res(8C3-8C3)-AP2-Delay3-20FC-5FC"])
def test_every_layer_fires_and_agrees(notation):
    neuron = dpap.ALIF(threshold=0.2, threshold_step=0.1, current_decay=0.6, voltage_decay=0.3)
    network = firing_network(notation, (2, 12, 12), 7, bias=True, neuron=neuron)
    graph, inputs = deploy.compile(network), random_inputs(network, 5)
    recording = deploy.run(graph, inputs)
    assert all(recording.spikes[layer.name].any() for layer in graph.layers)
    assert {layer.neuron.kind for layer in graph.layers} == {"atrlif"}
    assert deploy.verify(graph, network, inputs, backends=("fast", "lava")).mismatches == 0


def test_an_overflow_is_the_same_on_all():
    # 500 inputs of 255 at weights of 254: 32,385,000 in units of sums, which must stay below 2**17.
    graph = deploy.compile(firing_network("1FC", (500,), 2, neuron=dpap.ALIF(), input_max=255))
    (layer,) = graph.layers
    synapses = MatrixConnection(sparse.csr_matrix(np.full((1, 500), 254, np.int16)))
    layer = replace(layer, inputs=(replace(layer.inputs[0], connection=synapses),))
    graph, inputs = replace(graph, layers=(layer,)), np.full((1, 2, 500), 255)
    for backend in ("fast", "lava"):
        with pytest.raises(deploy.ActivationOverflow, match="neuron 0 is 32385000 in sample 0 at step 0"):
            deploy.run(graph, inputs, backend=backend)
    ours, lavas = (deploy.run(graph, inputs, backend=b, on_overflow="wrap") for b in ("fast", "lava"))
    assert np.array_equal(ours.output, lavas.output)


class PlainSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (distance,) = ctx.saved_tensors
        return grad * derivative_torch(distance, 1.0, 2)


def test_the_gradient_is_that_of_the_real_valued_neuron():
    # Decays of quarters, and states that stay multiples of them: the integers round nothing in three steps.
    neuron = dpap.ALIF(
        threshold=2.0,
        threshold_step=1.0,
        current_decay=0.5,
        voltage_decay=0.25,
        threshold_decay=0.5,
        refractory_decay=0.5,
        surrogate="arctan",
    )
    sums = torch.tensor([[3.0, 1.0, -2.0], [4.0, 2.0, 5.0], [1.0, 6.0, 3.0]]).reshape(3, 1, 3)
    ours = sums.clone().requires_grad_()
    spikes = neuron.spikes(ours, Population(neuron, 2, 1.0, 3))
    weights = torch.arange(1.0, 10).reshape(3, 1, 3)
    (spikes * weights).sum().backward()
    plain = sums.double().clone().requires_grad_()
    u = v = r = torch.zeros(1, 3, dtype=torch.float64)
    theta = torch.full_like(u, 2.0)
    total = 0
    for t in range(3):
        u = 0.5 * u + plain[t]
        v = 0.75 * v + u
        theta, r = 0.5 * (theta - 2) + 2, 0.5 * r
        fired = PlainSpike.apply(v - r - theta)
        r, theta = r + 2 * theta * fired, theta + fired
        assert torch.equal(fired.float(), spikes[t])
        total = total + (fired * weights[t]).sum()
    total.backward()
    assert spikes.sum() > 2
    torch.testing.assert_close(ours.grad.double(), plain.grad)


def test_parameters_out_of_range_are_named(tmp_path):
    network = firing_network("2FC", (3,), 2, neuron=dpap.ALIF())
    graph = deploy.compile(network)
    (layer,) = graph.layers
    assert layer.neuron == ATRLIF(4096, 3277, 819, 819, layer.neuron.threshold, layer.neuron.threshold_step)
    for field, value, message in (
        ("threshold_step", -1, "fc1: the threshold_step is -1, not 0 to 131071"),
        ("threshold_decay", 4097, "fc1: threshold_decay is 4097, not 0 to 4096"),
        ("threshold", 0, "fc1: the threshold is 0, not 1 to 131071"),
    ):
        wrong = ATRLIF(**{**vars(layer.neuron), field: value})
        object.__setattr__(layer, "neuron", wrong)
        with pytest.raises(dpap.InputError, match=message):
            graph.save(tmp_path / "model.h5")
            deploy.load(tmp_path / "model.h5")


def test_a_step_larger_than_the_threshold_fits():
    # Of both the larger one decides the scale: at most 131,071 / 10 units stand for 1.
    network = firing_network("2FC", (3,), 2, neuron=dpap.ALIF(threshold=0.001, threshold_step=10.0))
    (layer,) = deploy.compile(network).layers
    assert layer.neuron.threshold_step <= 131_071
    assert layer.neuron.threshold_step == pytest.approx(10_000 * layer.neuron.threshold, rel=1)


def command(capsys, *arguments):
    """The JSON object that a command prints."""
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_every_command_takes_them(capsys, tmp_path, monkeypatch):
    config, folder, model = tmp_path / "run.yaml", tmp_path / "run", tmp_path / "model.h5"
    config.write_text(
        """
        data: {name: digits, time_steps: 3, in_memory: true}
        network: {notation: 4C3-AP2-12FC-10FC, neuron: {type: alif, surrogate: arctan}}
        training: {epochs: 4, learning_rate: 0.01, batch_size: 128}
        pruning: {target: {budget: synops=20000, epochs: 3, samples: 32}}
        execution: {threads: 1, device: cpu}
        """
    )
    trained = command(capsys, "train", "--config", config, "--out", folder)
    assert trained["epochs"] == 4
    resumed = tmp_path / "resumed"
    interrupt(monkeypatch, SimpleNamespace(capsys=capsys), config, resumed)
    command(capsys, "train", "--resume", "--out", resumed)
    assert_same_weights(folder, resumed)
    quantized = tmp_path / "quantized"
    command(capsys, "quantize", folder, "--out", quantized, "--weight-bits", 4, "--calibration", 32)
    for name in (folder, quantized):
        report = ("report", name, "--samples", 8, "--lava-samples", 2)
        reported = command(capsys, *report, "--hardware", "spinnaker2", "--unknown", "bound")
        assert reported["mismatches"] == 0 < reported["compared"]
    command(capsys, "export", folder, "--to", model)
    simulated = command(capsys, "simulate", model, "--data", "digits", "--samples", 8)
    on_lava = command(capsys, "simulate", model, "--data", "digits", "--samples", 8, "--backend", "lava")
    assert simulated["accuracy"] == on_lava["accuracy"]
    assert command(capsys, "verify", folder, "--samples", 8)["mismatches"] == 0
    priced = ("estimate", model, "--data", "digits", "--samples", 8, "--hardware")
    assert command(capsys, *priced, "spinnaker2", "--unknown", "bound")["estimates"]
    # What is not published is said, and not taken for that of another kind.
    for target, message in (
        ("spinnaker2", "updates.atrlif is unknown"),
        ("loihi1", "conv1 has atrlif units, Loihi 1 has no such compartment"),
    ):
        code, _, err = run(capsys, *priced, target)
        assert code == 2
        assert message in " ".join(err.split())
    for target, name in (("model.nir", "NIR"), ("model.net", "netx")):
        code, _, err = run(capsys, "export", folder, "--to", tmp_path / target)
        assert code == 2
        assert f"conv1 has atrlif units, which {name}" in err
    with pytest.raises(dpap.NetworkError, match="no such stock CUBA block"):
        dpap.to_slayer(dpap.networks.build("3FC", (2,), 2, neuron=dpap.ALIF()))
