"""Ranges of currents that training observes: when they widen and narrow, and where they are kept."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ranges_worker
import torch
from factories import firing_network, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import deploy
import dpap
from deploy.ir.currents import current_ranges
from dpap.checkpoint import load_checkpoint, save_checkpoint
from dpap.data.split import Split
from dpap.errors import PrecisionWarning
from dpap.training.epoch import accuracy, evaluate
from dpap.training.run import run_training
from dpap.training.run_config import make_run_config
from dpap.training.run_files import RunFiles

STILL = dpap.LIF(current_decay=0.0, voltage_decay=0.5)
LIMIT = 1 << 17


def one_layer(neuron=STILL, **options):
    """Four inputs up to 255, eight steps, and two neurons, of which a proof leaves weights 32 units."""
    network = dpap.networks.build("2FC", (4,), 8, input_max=255, neuron=neuron, **options)
    network.layers["fc1"].weight.data = torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.5, 0.25, 0.0, 0.0]])
    return network.train()


def first(value):
    """A sample of which the first input is this at every step: a current of 8 times it."""
    return torch.tensor([[float(value), 0.0, 0.0, 0.0]])


def reached(network, inputs):
    """The largest current of a pass of the first layer as it is now, in units of synaptic sums."""
    block = network.layers["fc1"]
    weight = block.integer_parameters().weight.detach()
    sums = (inputs @ weight.T)[None] if inputs.dim() == 2 else inputs.movedim(-1, 0) @ weight.T
    return sums.expand(network.time_steps, *sums.shape[1:]).cumsum(0).abs().max().item()


def test_the_first_pass_finds_a_range():
    network = one_layer()
    block = network.layers["fc1"]
    assert block.observed_range is None
    output = network(first(100))
    # 8 times 100 of 255.
    assert block.observed_range == pytest.approx(800 / 255, rel=0.01)
    scale = block.integer_parameters().scale
    assert scale == pytest.approx(131071 / (2 * 800), rel=0.01)
    # The output is that of the scale which the range gives.
    assert torch.equal(network.eval()(first(100)), output)


def test_a_larger_current_widens_it_at_once_and_the_pass_is_repeated(monkeypatch):
    network = one_layer()
    network(first(20))
    block = network.layers["fc1"]
    before = block.integer_parameters().scale
    assert reached(network, first(100)) >= LIMIT
    scales = []
    original = type(block).integer_parameters

    def counted(self):
        integers = original(self)
        scales.append(integers.scale)
        return integers

    with monkeypatch.context() as patch:
        patch.setattr(type(block), "integer_parameters", counted)
        output = network(first(100))
    assert len(scales) == 2 and scales[0] == before > 2 * scales[1]
    assert block.observed_range == pytest.approx(800 / 255, rel=0.01)
    assert reached(network, first(100)) < LIMIT
    assert torch.equal(network.eval()(first(100)), output)


def test_gradients_are_those_of_the_pass_that_counts():
    network, fresh = one_layer(), one_layer()
    network(first(20))
    fresh.layers["fc1"].current_range.fill_(800 / 255)
    for each in (network, fresh):
        each(first(100)).sum().backward()
    grads = [each.layers["fc1"].weight.grad for each in (network, fresh)]
    assert grads[0].abs().sum() > 0
    torch.testing.assert_close(*grads, rtol=0.02, atol=1e-3)


def test_a_smaller_current_narrows_it_by_a_hundredth_of_the_difference():
    network = one_layer()
    network.layers["fc1"].current_range.fill_(4.0)
    network(first(51))
    # 8 x 51 / 255 is 1.6: 4 - 0.024.
    assert network.layers["fc1"].observed_range == pytest.approx(3.976, abs=1e-3)


def test_what_rounding_adds_does_not_widen_it():
    network = one_layer()
    for _ in range(50):
        network(first(100))
    assert network.layers["fc1"].observed_range == pytest.approx(800 / 255, rel=0.01)


def test_evaluation_leaves_it():
    network = one_layer()
    network(first(100))
    before = network.layers["fc1"].observed_range
    network.eval()
    for value in (0, 20, 120):
        network(first(value))
    with pytest.raises(dpap.ActivationOverflow):
        network(first(255))
    with network.overflowing("wrap"):
        network(first(255))
    assert network.layers["fc1"].observed_range == before


def test_a_pass_without_gradients_in_training_observes():
    network = one_layer()
    with torch.no_grad():
        network(first(100))
    assert network.layers["fc1"].observed_range == pytest.approx(800 / 255, rel=0.01)


@pytest.mark.parametrize("notation", ["6FC-3FC", "6RFC-3FC", "6FC-BN-3FC"])
def test_an_empty_batch_changes_nothing(notation):
    network = firing_network(notation, (4,), 8, input_max=255, neuron=STILL).train()
    network(torch.from_numpy(random_inputs(network, 9)).movedim(1, -1) // 16)
    before = copy.deepcopy(network.state_dict())
    assert before["layers.fc1.current_range"] > 0
    assert network(torch.zeros(0, 4, 8)).shape == (0, 3, 8)
    after = network.state_dict()
    # As a smaller current does, it narrows ranges.
    assert after["layers.fc1.current_range"] == pytest.approx(
        0.99 * before["layers.fc1.current_range"].item()
    )
    assert all(torch.equal(after[n], v) for n, v in before.items() if not n.endswith("current_range"))


def test_silence_finds_no_range_and_is_no_error():
    network = one_layer()
    assert network(first(0)).sum() == 0
    assert network.layers["fc1"].observed_range is None


def test_sums_that_change_signs_are_not_clipped():
    # With weights of 254 a sum of -400 x 254 is in range, and 765 x 254 after it comes to 365 x 254.
    network = dpap.networks.build("1FC", (6,), 8, input_max=255, neuron=STILL, range_margin=1.0).train()
    block = network.layers["fc1"]
    block.weight.data = torch.tensor([[1.0, -1.0, 1.0, -1.0, 1.0, -1.0]])
    inputs = torch.zeros(1, 6, 8)
    inputs[0, 1::2, 0], inputs[0, ::2, 1] = torch.tensor([133.0, 133, 134]), 255
    output = network(inputs)
    weight = block.integer_parameters().weight.detach()
    assert weight.abs().max() == 254
    assert (inputs.movedim(-1, 0) @ weight.T).max() == 765 * 254 > LIMIT
    assert torch.equal(network.eval()(inputs), output)


@pytest.mark.parametrize("current_decay", [1.0, 0.25])
def test_batches_far_from_the_statistics_are_clipped_and_never_wrap(current_decay):
    neuron = dpap.LIF(current_decay=current_decay)
    network = firing_network("4FC-BN-3FC", (8,), 8, input_max=255, neuron=neuron).train()
    norm = network.layers["fc1"].norm
    # Folded weights are a thousandth of what the batch makes of them.
    norm.running_var.fill_(1e9)
    norm.weight.data.fill_(300.0)
    inputs = torch.from_numpy(random_inputs(network, 16)).movedim(1, -1)
    seen = []
    from dpap.blocks.spiking import Spiking

    respond = Spiking.respond

    def watched(self, block, sums, integers, pool):
        seen.append(dpap.neurons.currents.largest_current(sums, block.neuron.current_keep, 8))
        return respond(self, block, sums, integers, pool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Spiking, "respond", watched)
        network(inputs).sum().backward()
    assert 0 < max(seen) < LIMIT


def test_statistics_count_a_batch_once_though_its_pass_is_repeated():
    options = {"input_max": 255, "neuron": STILL}
    network = firing_network("6FC-BN-3FC", (4,), 8, **options).train()
    inputs = torch.from_numpy(random_inputs(network, 9)).movedim(1, -1)
    block = network.layers["fc1"]
    passes = []
    original = block.norm.forward

    def counted(*arguments):
        passes.append(1)
        return original(*arguments)

    block.norm.forward = counted
    sums = (inputs.movedim(-1, 0) / 255) @ block.weight.detach().T
    network(inputs)
    assert len(passes) > 1
    flat = sums.flatten(0, 1)
    torch.testing.assert_close(block.norm.running_mean, 0.1 * flat.mean(0), rtol=0.02, atol=5e-3)
    torch.testing.assert_close(block.norm.running_var, 0.9 + 0.1 * flat.var(0), rtol=0.02, atol=5e-3)


def test_states_without_ranges_load(tmp_path):
    network = one_layer()
    network(first(100))
    state = network.state_dict()
    assert state["layers.fc1.current_range"] == network.layers["fc1"].observed_range
    other = one_layer()
    other.load_state_dict(state)
    assert other.layers["fc1"].observed_range == network.layers["fc1"].observed_range
    assert copy.deepcopy(network).layers["fc1"].observed_range == network.layers["fc1"].observed_range
    old = {name: value for name, value in state.items() if not name.endswith("current_range")}
    other.load_state_dict(old)
    assert other.layers["fc1"].observed_range is None
    assert "layers.fc1.current_range" not in old
    # A state that has nothing of a block says nothing of its range.
    network.load_state_dict({}, strict=False)
    assert network.layers["fc1"].observed_range is not None

    save_checkpoint(tmp_path / "new.safetensors", network)
    loaded, _ = load_checkpoint(tmp_path / "new.safetensors")
    assert loaded.layers["fc1"].observed_range == network.layers["fc1"].observed_range
    assert loaded.layers["fc1"].integer_parameters().scale == network.layers["fc1"].integer_parameters().scale


def test_more_steps_than_observed_are_checked():
    network = one_layer()
    network(first(100))
    network.eval()
    with network.running(16):
        network(first(90))
    with network.running(32), pytest.raises(dpap.ActivationOverflow, match="at step 15"):
        network(first(100))


def test_pruned_inhibition_is_checked():
    network = one_layer()
    network.layers["fc1"].weight.data[1] = 0
    balanced = torch.tensor([[200.0, 190.0, 0.0, 0.0]])
    network(balanced)
    network.eval()(balanced)
    # Without the inhibition the current is 20 times as large.
    network.layers["fc1"].mask[0, 1] = 0
    with pytest.raises(dpap.ActivationOverflow, match="fc1"):
        network(balanced)
    network.train()(balanced)
    network.eval()(balanced)


def test_a_measurement_that_overflows_warns_and_goes_on():
    network = one_layer()
    network(first(20))
    images = np.array([[20, 0, 0, 0], [255, 0, 0, 0], [255, 255, 9, 9]], np.uint8)
    split = Split(images[:, :, None, None], np.array([0, 1, 1]), 255)
    network = shaped(network)
    with pytest.warns(
        PrecisionWarning, match="measured with currents wrapped, as Lava does: fc1: the current"
    ):
        result = evaluate(network, split, nn.functional.mse_loss if False else None)
    with network.eval().overflowing("wrap"):
        answers = network(torch.from_numpy(images[:, :, None, None])).sum(2).argmax(1).numpy()
    assert result.accuracy == np.mean(answers == split.labels)
    assert all(block.on_overflow == "raise" for block in network.synaptic_blocks())
    with pytest.warns(PrecisionWarning):
        accuracy(network, split)


def shaped(network):
    """The same weights and range for images of 4 x 1 x 1."""
    other = dpap.networks.build("2FC", (4, 1, 1), 8, input_max=255, neuron=network.neuron)
    other.load_state_dict(network.state_dict())
    return other


@pytest.mark.parametrize("notation", ["20FC-10FC", "20RFC-10FC", "4C3-AP2-Delay2-20FC-10FC"])
def test_wrapped_evaluation_is_the_simulators(notation):
    network = firing_network(notation, (1, 6, 6), 12, input_max=255, neuron=STILL)
    dpap.calibrate(network, random_inputs(network, 5) // 64)
    inputs = random_inputs(network, 6)
    graph = deploy.compile(network)
    assert any(known.basis == "calibration" for known in current_ranges(graph).values())
    layout = torch.from_numpy(inputs).movedim(1, -1)
    with pytest.raises(dpap.ActivationOverflow):
        network(layout)
    with pytest.raises(deploy.ActivationOverflow):
        deploy.run(graph, inputs)
    recording = deploy.run(graph, inputs, on_overflow="wrap")
    with network.overflowing("wrap"):
        output = network(layout)
    assert np.array_equal(recording.output, output.movedim(-1, 1).detach().numpy())
    certificate = deploy.verify(graph, network, inputs, ("fast",), on_overflow="wrap")
    assert certificate.mismatches == 0


def test_what_overflowing_takes():
    network = one_layer()
    wrong = network.overflowing("clip")
    with pytest.raises(dpap.NetworkError, match="on_overflow is 'clip'; expected raise or wrap"), wrong:
        pass
    with pytest.raises(RuntimeError), network.overflowing("wrap"):
        raise RuntimeError
    assert network.layers["fc1"].on_overflow == "raise"


FIELDS = {
    "data": {"time_steps": 16, "validation": 1200},
    "network": {
        "notation": "12RFC-12FC-BN-10FC",
        "neuron": {"type": "lif", "current_decay": 0.05, "voltage_decay": 0.2},
    },
    "training": {"seed": 3, "learning_rate": 0.01, "epochs": 3},
    "execution": {"threads": 1, "device": "cpu"},
    "method": "none",
}


def test_a_run_that_breaks_and_is_resumed_ends_at_the_same_ranges(tmp_path, monkeypatch):
    from dpap.training.trainer import Trainer

    config = make_run_config(FIELDS, {})
    run_training(config, RunFiles(tmp_path / "whole"))
    original = Trainer.next_epoch

    def breaking(self, *splits):
        if len(self.history) == 1:
            raise KeyboardInterrupt
        return original(self, *splits)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "next_epoch", breaking)
        with pytest.raises(KeyboardInterrupt):
            run_training(config, RunFiles(tmp_path / "broken"))
    run_training(config, RunFiles(tmp_path / "broken"), resume=True)
    states = [load_checkpoint(RunFiles(tmp_path / name).last)[0] for name in ("whole", "broken")]
    found = states[0].state_dict()
    assert any(not block.integer_parameters().proven for block in states[0].synaptic_blocks())
    assert found["layers.fc1.current_range"] > 0
    assert all(torch.equal(value, found[name]) for name, value in states[1].state_dict().items())


def test_two_processes_end_with_the_same_ranges(tmp_path):
    command = [sys.executable, Path(ranges_worker.__file__)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    files = [tmp_path / "meet", tmp_path / "states"]
    started = [subprocess.Popen([*command, str(rank), "2", *files], env=environment) for rank in range(2)]
    try:
        assert [process.wait(timeout=200) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    one, other = (torch.load(tmp_path / f"states.{rank}", weights_only=True) for rank in range(2))
    alone = ranges_worker.trained("12RFC-10FC", 0, 1)
    for notation in ranges_worker.NOTATIONS:
        ranges = [name for name in one[notation] if name.endswith("current_range")]
        assert any(one[notation][name] > 0 for name in ranges)
        for name, value in one[notation].items():
            assert torch.equal(value, other[notation][name]) or ".norm.running" in name, name
    for name, value in alone.items():
        torch.testing.assert_close(one["12RFC-10FC"][name], value, rtol=1e-3, atol=1e-3)


@st.composite
def trainings(draw):
    """A tiny network, inputs and what is learned with."""
    neuron = dpap.LIF(
        threshold=draw(st.sampled_from([0.05, 0.5])),
        current_decay=draw(st.sampled_from([1.0, 0.25, 0.0])),
        voltage_decay=draw(st.sampled_from([0.8, 0.1])),
    )
    notation = draw(
        st.sampled_from(
            ["6FC-4FC", "6RFC-4FC", "6FC-BN-4FC", "3C3-AP2-6FC-4FC", "3C3-BN-MP2-4FC", "3C3-Res(3C3)-4FC"]
        )
    )
    steps, input_max = draw(st.integers(1, 8)), draw(st.sampled_from([1, 3, 15]))
    seed = draw(st.integers(0, 10_000))
    network = firing_network(
        notation,
        (2, 4, 4),
        steps,
        input_max=input_max,
        gain=draw(st.sampled_from([1.0, 8.0])),
        excitation=draw(st.sampled_from([-0.5, 0.0, 0.5])),
        neuron=neuron,
        bias=draw(st.booleans()),
        weight_bits=draw(st.sampled_from([8, 8, 4, 2])),
        range_margin=draw(st.sampled_from([1.0, 2.0])),
        seed=seed,
    )
    return network, draw(st.sampled_from([0.01, 0.1])), draw(st.integers(0, 10_000))


def check_training(drawn):
    network, rate, seed = drawn
    inputs = torch.from_numpy(random_inputs(network, 5, seed)).movedim(1, -1).float()
    labels = torch.arange(5) % 4
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    for scale in (0, 1, 0):
        network.train()
        output = network((inputs * 0.5).floor() if scale else inputs)
        optimizer.zero_grad()
        nn.functional.cross_entropy(output.sum(2), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    normalized = any(block.norm is not None for block in network.synaptic_blocks())
    expected = network.train()(inputs).detach()
    network.eval()
    if normalized:
        # Batches are not the statistics: nothing is promised but the error.
        with network.overflowing("wrap"):
            network(inputs)
    elif not torch.equal(network(inputs), expected):
        # A pass changes the range by which its weights are rounded, by a hundredth of a difference.
        assert not all(block.integer_parameters().proven for block in network.synaptic_blocks())
    graph = deploy.compile(network)
    recorded = inputs.movedim(-1, 1).numpy().astype(np.int64)
    for samples in (recorded, random_inputs(network, 3, seed + 1)):
        certificate = deploy.verify(graph, network, samples, ("fast",), on_overflow="wrap")
        assert certificate.mismatches == 0


@settings(max_examples=25)
@given(trainings())
def test_training_never_overflows(drawn):
    check_training(drawn)


@pytest.mark.slow
@settings(max_examples=250)
@given(trainings())
def test_training_never_overflows_in_many_networks(drawn):
    check_training(drawn)
