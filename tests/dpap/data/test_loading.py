import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_files import write_mnist

import dpap
from dpap.data import DATA_SETS, CropFlip, data_set, load, load_digits
from dpap.data.location import data_root
from dpap.encoders import Direct, Frames, Latency, Rate
from dpap.errors import DataError, InputError


@pytest.mark.parametrize("name", DATA_SETS)
def test_what_a_data_set_declares_fits_together(name):
    known = data_set(name)
    assert known.name == name
    assert len(known.classes) == len(set(known.classes))
    assert known.time_steps >= 1
    assert known.time_steps_source
    assert known.encoder.takes == ("events" if known.pixel_max is None else "images")
    network = dpap.networks.build(
        f"4C3-AP2-{len(known.classes)}FC", known.input_shape, known.time_steps, input_max=known.input_max
    )
    assert network.input_shape == known.input_shape


def test_the_papers_networks_fit_the_data_sets():
    for name, outputs in (("mnist", 10), ("nmnist", 10), ("dvs-gesture", 11)):
        known = data_set(name)
        assert len(known.classes) == outputs
        assert min(known.input_shape[1:]) // 4 >= 1
    assert data_set("cifar10").time_steps == 8
    assert "prun_main.py" in data_set("cifar10").time_steps_source


def test_the_digits_are_those_of_load_digits():
    for loaded, plain in zip(load("digits"), load_digits(), strict=True):
        chosen = np.arange(len(plain))
        assert np.array_equal(loaded.batch(chosen), plain.inputs)
        assert np.array_equal(loaded.labels, plain.labels)
        assert loaded.input_max == plain.input_max == 16


def test_parts_come_in_the_order_that_they_are_asked_for():
    test, validation, train = load("digits", "test", "validation", "train", validation=200)
    assert (len(test), len(validation), len(train)) == (450, 200, 1147)
    whole, _ = load("digits")
    both = {image.tobytes() for image in train.inputs} | {image.tobytes() for image in validation.inputs}
    assert both == {image.tobytes() for image in whole.inputs}
    assert not both & {image.tobytes() for image in test.inputs}


def test_validation_is_drawn_by_its_seed_alone():
    first, again, other = (
        load("digits", "validation", validation=200, seed=seed, validation_seed=drawn)[0]
        for seed, drawn in ((0, 1), (5, 1), (0, 2))
    )
    assert np.array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)


def test_a_range_of_the_test_part():
    _, whole = load("digits", encoder=Rate())
    train, some = load("digits", encoder=Rate(), test_range=(100, 110))
    assert len(train) == 1347
    assert np.array_equal(some.inputs, whole.inputs[100:110])
    # A sample's random numbers are its own, wherever it is.
    assert np.array_equal(some.batch([3]), whole.batch([103]))


def test_augmentation_is_of_training_alone():
    train, validation, test = load(
        "digits", "train", "validation", "test", validation=200, augmentation=CropFlip()
    )
    assert train.augmentation == CropFlip()
    assert validation.augmentation is None
    assert test.augmentation is None


def test_time_steps_and_encoder_can_be_chosen():
    (test,) = load("digits", "test", time_steps=3, encoder=Latency())
    assert test.batch([0]).shape == (1, 1, 8, 8, 3)
    assert test.input_max == 1
    (test,) = load("digits-events", "test", time_steps=6, encoder=Frames(input_max=4, size=(6, 6)))
    assert test.batch([0]).shape == (1, 2, 6, 6, 6)
    assert test.input_shape == (2, 6, 6)


@pytest.mark.parametrize(
    ("arguments", "options", "part"),
    [
        (["mnits"], {}, "'mnits' is not known; there are digits, digits-events, mnist"),
        (["digits", "dev"], {}, "part 'dev' of digits is not known; there are train, validation, test"),
        (["digits", "validation"], {}, "validation is 0; say how many"),
        (["digits"], {"validation": -1}, "validation is -1"),
        (["digits"], {"validation": 1347}, "1347 of 1347 samples cannot be held back"),
        (["digits"], {"time_steps": 0}, "time_steps is 0"),
        (["digits"], {"time_steps": 2.5}, "time_steps is 2.5"),
        (
            ["digits"],
            {"time_steps": 1 << 17},
            "time_steps is 131072; expected a whole number from 1 to 65536",
        ),
        (["digits"], {"encoder": Frames()}, "samples are images; frames encoding takes events"),
        (["digits-events"], {"encoder": Direct()}, "samples are events; direct encoding takes images"),
        (["digits-events"], {"augmentation": CropFlip()}, "only images"),
        (["digits-events"], {"encoder": Frames(size=(40, 40))}, r"frames of \(40, 40\)"),
        (["digits"], {"test_range": (0, 451)}, r"test_range is \(0, 451\); expected a part of \(0, 450\)"),
        (["digits"], {"test_range": (5, 5)}, "test_range"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, part):
    with pytest.raises(InputError, match=part):
        load(*arguments, **options)


def test_the_folder_of_data_sets(monkeypatch, tmp_path):
    monkeypatch.delenv("DPAP_DATA", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert data_root() == Path("/home/someone/.cache/dpap")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_root() == Path("/home/someone/.cache/dpap")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert data_root() == Path("/caches/dpap")
    monkeypatch.setenv("DPAP_DATA", "~/data")
    assert data_root() == Path("/home/someone/data")
    assert data_root(tmp_path) == tmp_path


def test_files_are_looked_for_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("DPAP_DATA", str(tmp_path))
    with pytest.raises(DataError, match=str(tmp_path / "mnist")):
        load("mnist")
    write_mnist(tmp_path)
    assert [len(split) for split in load("mnist", subset=True)] == [6, 4]


def test_importing_data_waits_for_no_library():
    script = "import sys, dpap.data; sys.exit(bool({'torch', 'tonic', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
