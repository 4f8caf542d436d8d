"""The same spikes and gradients on a GPU as on the CPU."""

import copy
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from factories import firing_network

import dpap
from dpap.blocks import exact_sums
from dpap.data import Split
from dpap.neurons import LIF, SURROGATES, Population, accelerator, lif, lif_pool, membrane
from dpap.training import TrainingConfig, train

triton_function = pytest.importorskip("dpap.neurons.triton_function", reason="Triton is not installed")

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: what runs on a GPU is compared with the CPU on one"
)


def on_both(tensor):
    """A leaf with this value on the CPU, and one on the GPU."""
    return tensor.clone().requires_grad_(), tensor.cuda().requires_grad_()


def random_currents(steps, *shape):
    torch.manual_seed(0)
    return torch.randint(-300, 500, (steps, *shape)).float()


def assert_close(on_gpu, on_cpu):
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-4, atol=1e-6)


@needs_gpu
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(("current_decay", "voltage_decay"), [(1.0, 0.8), (0.3, 0.1), (0.0, 0.0)])
def test_lif(surrogate, constant, current_decay, voltage_decay):
    neuron = LIF(current_decay=current_decay, voltage_decay=voltage_decay, surrogate=surrogate)
    population = Population(neuron, 200, 400.0, 9)
    currents = on_both(random_currents(1 if constant else 9, 5, 7, 11, 13))
    expected, got = (lif(current, population) for current in currents)
    assert accelerator.obstacle(got.device) is None
    assert 0 < expected.mean() < 1
    assert torch.equal(got.cpu(), expected)
    grad = torch.randn_like(expected)
    expected.backward(grad)
    got.backward(grad.cuda())
    if surrogate == "rectangle":
        assert torch.equal(currents[1].grad.cpu(), currents[0].grad)
    else:
        assert_close(currents[1].grad, currents[0].grad)
    for one, other in zip(*(membrane(current, population) for current in currents), strict=True):
        assert torch.equal(other.cpu(), one)


@needs_gpu
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(
    ("height", "width", "window"), [(8, 8, 2), (7, 9, 2), (6, 7, 3), (33, 35, 32), (40, 41, 33)]
)
def test_lif_pool(constant, height, width, window):
    population = Population(LIF(current_decay=0.7), 150, 300.0, 6)
    currents = on_both(random_currents(1 if constant else 6, 4, 3, height, width))
    expected, got = (lif_pool(current, population, window) for current in currents)
    assert expected[1].sum() > 0
    for one, other in zip(expected, got, strict=True):
        assert torch.equal(other.cpu(), one)
    grad = torch.randn_like(expected[0])
    expected[0].backward(grad)
    got[0].backward(grad.cuda())
    assert torch.equal(currents[1].grad.cpu(), currents[0].grad)


@needs_gpu
def test_bias_adds_to_the_voltage():
    population = Population(LIF(), 200, 400.0, 6)
    current = random_currents(6, 4, 3, 6, 6).cuda().requires_grad_()
    bias = torch.tensor([-100.0, 0.0, 150.0], device="cuda", requires_grad=True)
    biased = triton_function.lif(current, population, bias)
    # Without a current that lasts, a bias and a sum that is larger by as much are the same.
    raised = (current.detach() + bias.detach()[:, None, None]).requires_grad_()
    plain = lif(raised, population)
    assert torch.equal(biased, plain)
    grad = torch.randn_like(biased)
    biased.backward(grad)
    plain.backward(grad)
    assert_close(bias.grad, raised.grad.sum((0, 1, 3, 4)).cpu())


@needs_gpu
@pytest.mark.parametrize("tensor_float", [True, False])
def test_sums_are_exact_whatever_the_precision(tensor_float, monkeypatch):
    # 4097 has 13 bits, more than TensorFloat-32 keeps.
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", tensor_float)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tensor_float)
    torch.manual_seed(0)
    inputs = torch.randint(0, 2, (16, 32, 24, 24)).float()
    inputs[:, 0] *= 4097
    weight = 2.0 * torch.randint(-14, 15, (48, 32, 3, 3))
    for geometry in ({"padding": 1}, {"stride": 2}, {"padding": 2, "dilation": 2}):
        expected = torch.nn.functional.conv2d(inputs.double(), weight.double(), **geometry)
        got = exact_sums.conv2d(inputs.cuda(), weight.cuda(), **geometry)
        assert expected.abs().max() < 1 << 24
        assert torch.equal(got.cpu().double(), expected)
    flat, rows = inputs.flatten(1), 2.0 * torch.randint(-14, 15, (30, inputs[0].numel()))
    got = exact_sums.linear(flat.cuda(), rows.cuda())
    assert torch.equal(got.cpu().double(), flat.double() @ rows.double().T)
    assert torch.backends.cuda.matmul.allow_tf32 == tensor_float


NETWORKS = [
    ("15C3-AP2-40C3-AP2-300FC-10FC", (1, 28, 28)),
    ("6C3-8C3-AP3-20FC-5FC", (2, 10, 11)),
    ("40FC-10FC", (1, 8, 8)),
]


def networks_and_inputs(notation, shape, static):
    on_cpu = firing_network(notation, shape, 6, excitation=0.02)
    steps = () if static else (6,)
    return on_cpu, copy.deepcopy(on_cpu).cuda(), torch.randint(0, 2, (5, *shape, *steps)).float()


@needs_gpu
@pytest.mark.parametrize(("notation", "shape"), NETWORKS)
@pytest.mark.parametrize("static", [True, False])
def test_a_network_spikes_and_learns_alike(notation, shape, static, monkeypatch):
    # The gradients of convolutions are cuDNN's; in TensorFloat-32 they would differ by a thousandth.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    on_cpu, on_gpu, inputs = networks_and_inputs(notation, shape, static)
    for one, other in zip(on_cpu.synaptic_blocks(), on_gpu.synaptic_blocks(), strict=True):
        (integers, _, threshold), (found, _, mantissa) = (
            one.integer_parameters(),
            other.integer_parameters(),
        )
        assert torch.equal(found.cpu(), integers)
        assert mantissa == threshold
    spikes, found = on_cpu.record(inputs), on_gpu.record(inputs.cuda())
    for name in spikes:
        assert 0.01 < spikes[name].mean() < 0.99
        assert torch.equal(found[name].cpu(), spikes[name])
    outputs = on_cpu(inputs)
    got = on_gpu(inputs.cuda())
    assert torch.equal(got.cpu(), outputs)
    grad = torch.randn_like(outputs)
    outputs.backward(grad)
    got.backward(grad.cuda())
    for one, other in zip(on_cpu.parameters(), on_gpu.parameters(), strict=True):
        torch.testing.assert_close(other.grad.cpu(), one.grad, rtol=1e-3, atol=1e-4 * one.grad.abs().max())


@needs_gpu
def test_dpap_tracks_alike():
    on_cpu, on_gpu, inputs = networks_and_inputs("6C3-AP2-8C3-AP2-20FC-5FC", (1, 8, 8), True)
    pruners = [dpap.DPAP(network.train()) for network in (on_cpu, on_gpu)]
    for _ in range(2):
        for network, pruner, batch in zip((on_cpu, on_gpu), pruners, (inputs, inputs.cuda()), strict=True):
            network(batch)
            pruner.after_batch()
    for name, layer in pruners[0].layers.items():
        assert_close(pruners[1].layers[name].plasticity, layer.plasticity)
        assert_close(pruners[1].layers[name].trace_sum, layer.trace_sum)
    for pruner in pruners:
        pruner.after_epoch()
    assert pruners[1].pruning_rates == pytest.approx(pruners[0].pruning_rates)


@needs_gpu
def test_training_runs_where_the_network_is():
    torch.manual_seed(0)
    network = dpap.networks.build("8C3-AP2-32FC-10FC", (1, 8, 8), 4, input_max=16).cuda()
    split = Split(
        torch.randint(0, 17, (64, 1, 8, 8)).numpy().astype("uint8"), torch.arange(64).numpy() % 10, 16
    )
    history = train(network, split, split, TrainingConfig(epochs=2, batch_size=32), dpap.DPAP(network))
    assert len(history) == 2
    assert next(network.parameters()).is_cuda


class OnCuda:
    """A tensor's device, as if it lay on a GPU."""

    is_cuda = True
    device = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("missing", "message"),
    [("triton", "Triton is not installed"), ("compiler", "no C compiler"), ("capability", r"\(6, 1\)")],
)
def test_what_keeps_triton_from_running_is_said(missing, message, monkeypatch):
    found = None if missing == "triton" else object()
    monkeypatch.setattr(accelerator, "find_spec", lambda name: found)
    monkeypatch.setattr(accelerator.shutil, "which", lambda name: None if missing == "compiler" else name)
    capability = (6, 1) if missing == "capability" else (8, 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    accelerator.obstacle.cache_clear()
    try:
        with pytest.warns(UserWarning, match=f"{message}.*plain torch"):
            assert accelerator.accelerated(OnCuda()) is None
    finally:
        accelerator.obstacle.cache_clear()


def test_triton_runs_where_nothing_keeps_it_from_it(monkeypatch):
    monkeypatch.setattr(accelerator, "find_spec", lambda name: object())
    monkeypatch.setattr(accelerator.shutil, "which", lambda name: name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 0))
    accelerator.obstacle.cache_clear()
    try:
        assert accelerator.accelerated(OnCuda()) is triton_function
        assert accelerator.accelerated(torch.zeros(1)) is None
    finally:
        accelerator.obstacle.cache_clear()


def test_the_benchmark_says_that_there_is_no_device(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    script = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
    for option, reading in (([], str.strip), (["--json"], json.loads)):
        monkeypatch.setattr(sys, "argv", [str(script), *option])
        runpy.run_path(str(script), run_name="__main__")
        said = reading(capsys.readouterr().out)
        if option:
            assert said["device"] is None
            assert said["samples_per_second"] == {}
        else:
            assert said.startswith("no CUDA device")
