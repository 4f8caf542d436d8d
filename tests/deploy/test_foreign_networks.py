"""Networks that worst-case bounds of currents and voltages once flattened or refused, on real data."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lava.lib.dl.slayer.block import cuba
from stock import StockNetwork, excite

import deploy
import dpap
from dpap.data import load
from dpap.encoders import Direct, Frames
from dpap.training import TrainingConfig, accuracy, train

DATA = Path(os.environ.get("DPAP_DATA") or "/nowhere")
SINABS = DATA / "models" / "nir" / "cnn_sinabs.nir"
DEEP = "24C3-AP2-48C3-AP2-256FC-10FC"

needs_mnist = pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="no mnist in DPAP_DATA")
needs_nmnist = pytest.mark.skipif(not (DATA / "nmnist").is_dir(), reason="no nmnist in DPAP_DATA")
needs_sinabs = pytest.mark.skipif(not SINABS.is_file(), reason="no models/nir in DPAP_DATA")


def levels(network):
    return [len(block.integer_parameters().weight.unique()) for block in network.synaptic_blocks()]


def fine_inputs():
    torch.manual_seed(0)
    neuron = dpap.LIF(current_decay=1.0, voltage_decay=0.1)
    return dpap.networks.build("100FC-10FC", (784,), 20, input_max=15, neuron=neuron)


def integrate_and_fire(steps):
    torch.manual_seed(0)
    neuron = dpap.LIF(current_decay=1.0, voltage_decay=0.0)
    return dpap.networks.build(DEEP, (1, 28, 28), steps, input_max=15, neuron=neuron)


def nmnist(steps):
    (split,) = load("nmnist", "test", time_steps=steps, encoder=Frames(input_max=1), subset=True)
    return split


def test_fine_inputs_leave_weights_levels():
    assert min(levels(fine_inputs())) > 32


def test_integrate_and_fire_over_many_steps_leaves_weights_levels():
    assert min(levels(integrate_and_fire(150))) > 32


@needs_mnist
def test_images_raise_the_levels_of_fine_inputs():
    network = fine_inputs()
    before = levels(network)
    (split,) = load("mnist", "train", encoder=Direct(input_max=15))
    dpap.calibrate(network, split.batch(np.arange(256)).reshape(256, 784))
    after = levels(network)
    assert after[0] > 3 * before[0] and after[1] >= before[1]
    fresh = split.batch(np.arange(256, 512)).reshape(256, 784)
    network.eval()(torch.from_numpy(fresh))


@needs_mnist
# 784 pixels up to 255 leave weights few levels, of which it is warned.
@pytest.mark.filterwarnings("ignore::dpap.PrecisionWarning")
@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
@pytest.mark.parametrize(
    ("size", "epochs", "least", "loss_of_accuracy"),
    [(1000, 3, 0.6, 0.02), pytest.param(3000, 8, 0.87, 0.01, marks=pytest.mark.slow)],
)
def test_a_network_of_snntorch_over_pixels_keeps_its_accuracy(size, epochs, least, loss_of_accuracy):
    snntorch = pytest.importorskip("snntorch")
    from snntorch.export_nir import export_to_nir
    from snntorch.utils import reset

    def leaky(size, **options):
        return snntorch.Leaky(
            beta=torch.full((size,), 0.9),
            threshold=torch.ones(size),
            init_hidden=True,
            reset_mechanism="zero",
            reset_delay=False,
            **options,
        )

    def counts(pixels):
        reset(theirs)
        return sum(theirs(pixels / 255)[0] for _ in range(20))

    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(784, 100), leaky(100), torch.nn.Linear(100, 10), leaky(10, output=True)
    )
    train_split, test_split = load("mnist", "train", "test", test_range=(0, 2000))
    images = torch.from_numpy(train_split.inputs[:size].reshape(-1, 784))
    labels = torch.from_numpy(train_split.labels[:size].astype(np.int64))
    test_images = torch.from_numpy(test_split.inputs.reshape(-1, 784))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=2e-3 if size > 1000 else 5e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(size).split(100):
            error = torch.nn.functional.cross_entropy(counts(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
    with torch.no_grad():
        expected = (counts(test_images).argmax(1).numpy() == test_split.labels).mean()
    assert expected > least
    ours = deploy.from_nir(
        export_to_nir(theirs, torch.zeros(1, 784), ignore_dims=[0]),
        time_steps=20,
        input_max=255,
        input_divisor=255,
        reset="zero",
        calibration=images[:256].numpy(),
    )
    with torch.no_grad():
        found = (ours(test_images).sum(-1).argmax(1).numpy() == test_split.labels).mean()
    assert found > expected - loss_of_accuracy
    inputs = np.repeat(test_split.inputs[:20].reshape(20, 1, 784), 20, axis=1)
    assert deploy.verify(deploy.compile(ours), ours, inputs, backends=("fast",)).mismatches == 0


@needs_mnist
@pytest.mark.slow
def test_integrate_and_fire_keeps_its_accuracy_over_more_steps():
    network = integrate_and_fire(8)
    train_split, test_split = load(
        "mnist", "train", "test", encoder=Direct(input_max=15), test_range=(0, 1000)
    )
    train(network, train_split.part(np.arange(3000)), None, TrainingConfig(epochs=3, batch_size=50))
    network.eval()
    found = []
    for steps in (8, 64, 100, 150):
        network.time_steps = steps
        found.append(accuracy(network, test_split))
    assert found[0] > 0.9
    assert min(found) > found[0] - 0.02


@needs_nmnist
@pytest.mark.parametrize("steps", [30, 100, 300])
def test_stock_slayer_with_slow_decays_converts_and_spikes_equal(steps):
    # The decays of lava-dl's N-MNIST tutorial, and weights that could drive a current and a voltage out of
    # 24 bits, with which no such network was converted before.
    torch.manual_seed(0)
    neuron = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03}
    blocks = [cuba.Dense(dict(neuron), *sizes, weight_norm=True) for sizes in pairwise([2312, 64, 64, 10])]
    stock = excite(StockNetwork(*blocks), gain=3.0).eval()
    split = nmnist(steps)
    inputs = split.over_time(steps).reshape(len(split), steps, -1)[:4]
    graph = deploy.compile(dpap.from_slayer(stock, (2312,), steps))
    certificate = deploy.verify(graph, stock, inputs, backends=("fast",))
    assert certificate.mismatches == 0
    assert all(layer.spikes for layer in certificate.backends["fast"].values())


@pytest.fixture(scope="module")
def sinabs():
    pytest.importorskip("nir")
    return deploy.from_nir(
        SINABS, time_steps=300, dt=1e-3, input_max=1, input_shape=(2, 34, 34), reset="zero"
    )


@needs_sinabs
@needs_nmnist
def test_the_network_of_sinabs_recognises_digits_without_samples(sinabs):
    split = nmnist(300)
    recording = deploy.run(deploy.compile(sinabs), split.over_time(300))
    assert recording.accuracy(split.labels) >= 0.95


@needs_sinabs
@needs_nmnist
@pytest.mark.slow
def test_the_network_of_sinabs_spikes_equal_on_lava(sinabs):
    certificate = deploy.verify(
        deploy.compile(sinabs), sinabs, nmnist(300).over_time(300, 2), backends=("lava",)
    )
    assert certificate.mismatches == 0
