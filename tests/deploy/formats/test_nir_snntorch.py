"""Networks that snnTorch wrote as NIR compile, and spike as they did there."""

import numpy as np
import pytest
import torch
from nir_references import compiled_spikes, nir

import deploy
import dpap

snntorch = pytest.importorskip("snntorch", reason="snnTorch writes what is read here, and is not installed")

from snntorch.utils import reset  # noqa: E402 - skipped where it is missing

# snnTorch's exporter still uses what NIRTorch has newer for.
pytestmark = pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")


def whole_weights(module, seed=0, excitation=6):
    """Weights in 64ths, the largest 127 of them, which quantisation keeps: 2 a unit at a scale of 128."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
            drawn = torch.randint(-20, 21, layer.weight.shape, generator=generator) + excitation
            drawn.view(-1)[0] = 127
            layer.weight.data = drawn / 64
            if layer.bias is not None:
                layer.bias.data = torch.randint(-9, 10, layer.bias.shape, generator=generator) / 64
    return module


def leaky(shape, beta=0.5, threshold=1.0, **options):
    return snntorch.Leaky(
        beta=torch.full(shape, beta),
        threshold=torch.full(shape, threshold),
        init_hidden=True,
        reset_mechanism="zero",
        reset_delay=False,
        **options,
    )


@torch.no_grad()
def snntorch_spikes(network, inputs):
    outputs = []
    for sample in inputs:
        reset(network)
        steps = [network(torch.from_numpy(frame[None].astype(np.float32))) for frame in sample]
        outputs.append([step[0][0].numpy() if isinstance(step, tuple) else step[0].numpy() for step in steps])
    return np.array(outputs)


def written_by_snntorch(network, shape, path):
    from snntorch.export_nir import export_to_nir

    nir.write(path, export_to_nir(network, torch.zeros(1, *shape), ignore_dims=[0]))
    return path


def test_a_convolutional_network_of_snntorch(tmp_path):
    network = whole_weights(
        torch.nn.Sequential(
            torch.nn.Conv2d(2, 4, 3, padding=1),
            leaky((4, 8, 8)),
            torch.nn.AvgPool2d(2),
            torch.nn.Conv2d(4, 6, 3, stride=2, bias=False),
            leaky((6, 1, 1), threshold=1.5),
            torch.nn.Flatten(),
            torch.nn.Linear(6, 5),
            leaky((5,), beta=0.0, output=True),
        )
    )
    path = written_by_snntorch(network, (2, 8, 8), tmp_path / "theirs.nir")
    ours = deploy.from_nir(path, time_steps=6, reset="zero")
    assert list(ours.layers) == ["conv1", "pool1", "conv2", "flatten1", "fc1"]
    inputs = np.random.default_rng(0).integers(0, 2, (8, 6, 2, 8, 8))
    theirs = snntorch_spikes(network, inputs)
    assert 0 < theirs.mean() < 1
    assert np.array_equal(compiled_spikes(ours, inputs), theirs)


def test_synaptic_currents_of_snntorch(tmp_path):
    def synaptic(size, **options):
        return snntorch.Synaptic(
            alpha=torch.full((size,), 0.5),
            beta=torch.full((size,), 0.75),
            threshold=torch.full((size,), 4.0),
            init_hidden=True,
            reset_mechanism="zero",
            reset_delay=False,
            **options,
        )

    layers = (torch.nn.Linear(9, 12, bias=False), synaptic(12), torch.nn.Linear(12, 5, bias=False))
    network = whole_weights(torch.nn.Sequential(*layers, synaptic(5, output=True)))
    path = written_by_snntorch(network, (9,), tmp_path / "theirs.nir")
    ours = deploy.from_nir(path, time_steps=4, reset="zero")
    neuron = ours.layers["fc1"].neuron
    assert (neuron.current_decay, neuron.voltage_decay) == (pytest.approx(0.5), pytest.approx(0.25))
    inputs = np.random.default_rng(1).integers(0, 2, (20, 4, 9))
    theirs = snntorch_spikes(network, inputs)
    assert 0 < theirs.mean() < 1
    assert np.array_equal(compiled_spikes(ours, inputs), theirs)


class RecurrentNetwork(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(6, 8)
        self.hidden = snntorch.RLeaky(
            beta=torch.full((8,), 0.5),
            threshold=torch.full((8,), 1.0),
            linear_features=8,
            init_hidden=True,
            reset_mechanism="zero",
            reset_delay=False,
        )
        self.last = torch.nn.Linear(8, 5)
        self.readout = leaky((5,), output=True)

    def forward(self, frame):
        return self.readout(self.last(self.hidden(self.first(frame))))


def test_a_recurrent_network_of_snntorch(tmp_path):
    network = whole_weights(RecurrentNetwork(), excitation=1)
    path = written_by_snntorch(network, (6,), tmp_path / "theirs.nir")
    ours = deploy.from_nir(path, time_steps=6, reset="zero")
    assert ours.layers["fc1"].recurrent
    inputs = np.random.default_rng(2).integers(0, 2, (20, 6, 6))
    theirs = snntorch_spikes(network, inputs)
    assert 0 < theirs.mean() < 1
    assert np.array_equal(compiled_spikes(ours, inputs), theirs)


def test_quantisation_of_real_weights_moves_few_spikes(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(20, 40), leaky((40,), beta=0.9), torch.nn.Linear(40, 5), leaky((5,), 0.9, output=True)
    )
    network[0].weight.data *= 4
    network[2].weight.data = network[2].weight.data.abs()
    path = written_by_snntorch(network, (20,), tmp_path / "theirs.nir")
    inputs = np.random.default_rng(3).integers(0, 2, (40, 10, 20))
    theirs = snntorch_spikes(network, inputs)
    ours = compiled_spikes(deploy.from_nir(path, time_steps=10, reset="zero"), inputs)
    assert 0.05 < theirs.mean() < 0.95
    assert (ours != theirs).mean() < 0.03


def test_calibrated_bits_against_the_simulator_that_trained_in_floats(tmp_path):
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Linear(20, 40), leaky((40,), beta=0.9), torch.nn.Linear(40, 5), leaky((5,), 0.9, output=True)
    )
    network[0].weight.data *= 4
    network[2].weight.data = network[2].weight.data.abs()
    path = written_by_snntorch(network, (20,), tmp_path / "theirs.nir")
    inputs = np.random.default_rng(3).integers(0, 2, (40, 10, 20))
    theirs = snntorch_spikes(network, inputs)
    imported = deploy.from_nir(path, time_steps=10, reset="zero")
    calibration = torch.from_numpy(inputs[:20]).movedim(1, 2).float()
    wrong = []
    for bits in (8, 5, 2):
        quantized = dpap.quantize(imported, calibration, weight_bits=bits).network
        wrong.append((compiled_spikes(quantized, inputs) != theirs).mean())
    assert 0.05 < theirs.mean() < 0.95
    assert wrong[0] < 0.03
    assert wrong[0] < wrong[1] < wrong[2]
