"""The data sets themselves, where there are copies (``DPAP_DATA``)."""

import os
from pathlib import Path

import numpy as np
import pytest

from dpap.data import load
from dpap.data.saccade import SaccadeConfig, simulate
from dpap.encoders import Direct, Frames

DATA = os.environ.get("DPAP_DATA")

pytestmark = pytest.mark.skipif(not DATA, reason="DPAP_DATA is not set: no copies of the data sets")


def needs(folder):
    return pytest.mark.skipif(not (Path(DATA or "") / folder).is_dir(), reason=f"no {folder} in DPAP_DATA")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        # Digits of the standard test part.
        pytest.param(
            "mnist", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], marks=needs("mnist/MNIST")
        ),
        pytest.param("fashion-mnist", [1000] * 10, marks=needs("fashion_mnist/FashionMNIST")),
    ],
)
def test_images_of_the_test_part(name, counts):
    (test,) = load(name, "test")
    assert test.inputs.dtype == np.uint8
    assert test.inputs.shape == (10_000, 1, 28, 28)
    assert np.bincount(test.labels).tolist() == counts
    (some,) = load(name, "test", test_range=(0, 5000), encoder=Direct())
    assert np.array_equal(some.batch([17]), test.inputs[17:18])
    assert len(some) == 5000


@needs("cifar10")
def test_photographs_of_a_subset():
    train, validation, test = load("cifar10", "train", "validation", "test", validation=1000, subset=True)
    assert (len(train), len(validation), len(test)) == (9000, 1000, 2000)
    assert np.bincount(validation.labels).tolist() == [100] * 10
    assert train.input_shape == (3, 32, 32)
    # Means of red, green and blue over CIFAR-10's training part.
    assert np.abs(train.inputs.mean((0, 2, 3)) / 255 - [0.4914, 0.4822, 0.4465]).max() < 0.01


@needs("nmnist/NMNIST")
@needs("mnist/MNIST")
def test_recordings_are_of_the_images_of_their_numbers():
    (recordings,) = load("nmnist", "train", subset=True)
    (images,) = load("mnist", "train")
    numbers = [int(Path(recordings.inputs.name(index)).stem) - 1 for index in range(len(recordings))]
    assert np.array_equal(recordings.labels, images.labels[numbers])
    batch = recordings.batch([0, 5])
    assert batch.shape == (2, 2, 34, 34, 10)
    assert 0.02 < batch.mean() < 0.5


@needs("nmnist/NMNIST")
@needs("mnist/MNIST")
def test_simulated_saccades_look_like_the_recorded_ones():
    # In three bins for each saccade.
    frames = Frames(input_max=255)
    (recordings,) = load("nmnist", "train", subset=True, encoder=frames, time_steps=9)
    (images,) = load("mnist", "train")
    chosen = np.arange(40)
    numbers = [int(Path(recordings.inputs.name(index)).stem) - 1 for index in chosen]
    events = simulate(images.inputs[numbers, 0], 255, SaccadeConfig(size=34, travel=7))
    simulated = frames.encode(events, (2, 34, 34), 9)
    recorded = recordings.batch(chosen)

    def likeness(other):
        return np.mean(
            [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(recorded, other, strict=True)]
        )

    assert likeness(simulated) > 0.45
    # Another digit, the other polarity, or the way back are less alike.
    for other in (np.roll(simulated, 1, 0), simulated[:, ::-1], simulated[..., ::-1]):
        assert likeness(other) < likeness(simulated) - 0.2


@needs("nmnist_1ms/NMNIST_1ms")
def test_the_derived_set_has_eight_digits():
    train, test = load("nmnist-1ms")
    assert np.bincount(train.labels).tolist() == [750] * 8
    assert np.bincount(test.labels).tolist() == [125] * 8
    # One bin of a millisecond holds events of one time.
    assert (train.inputs[0]["t"] % 1000 == 0).all()
    held = test.part(np.arange(20)).in_memory()
    assert np.array_equal(held.batch([3]), test.batch([3]))
