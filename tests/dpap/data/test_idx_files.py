import gzip
import hashlib
import sys

import numpy as np
import pytest
import torchvision.datasets
from small_files import write_idx, write_mnist

from dpap.data import load
from dpap.encoders import Direct
from dpap.errors import DataError

KINDS = [("mnist", "mnist", "MNIST"), ("fashion-mnist", "fashion_mnist", "FashionMNIST")]


@pytest.mark.parametrize(("name", "folder", "class_name"), KINDS)
def test_images_and_labels_are_those_of_the_files(tmp_path, name, folder, class_name):
    _, written = write_mnist(tmp_path, folder, class_name)
    splits = load(name, root=tmp_path, subset=True, encoder=Direct())
    for split, (images, labels) in zip(splits, written.values(), strict=True):
        assert split.inputs.dtype == np.uint8
        assert np.array_equal(split.batch(np.arange(len(images)))[:, 0], images)
        assert np.array_equal(split.labels, labels)
        assert split.labels.dtype == np.int64


def test_the_default_encoding_has_sixteen_levels(tmp_path):
    _, written = write_mnist(tmp_path)
    (test,) = load("mnist", "test", root=tmp_path, subset=True)
    assert test.input_max == 15
    # p / 17, rounded to the nearest.
    assert np.array_equal(test.batch([2])[0, 0], np.rint(written["t10k"][0][2] / 17))


@pytest.mark.parametrize(("name", "folder", "class_name"), KINDS)
def test_a_missing_file_is_named_with_what_to_do(tmp_path, name, folder, class_name):
    raw, _ = write_mnist(tmp_path, folder, class_name)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=f"{raw}/t10k-labels-idx1-ubyte is missing; set DPAP_DATA or root="):
        load(name, "train", root=tmp_path, subset=True)
    with pytest.raises(DataError, match=rf"dpap.data.load\('{name}', download=True\)"):
        load(name, "train", root=tmp_path / "elsewhere")


def test_a_packed_file_is_to_be_unpacked(tmp_path):
    raw, _ = write_mnist(tmp_path)
    file = raw / "train-images-idx3-ubyte"
    file.rename(file.with_name(f"{file.name}.gz"))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is there; unpack it"):
        load("mnist", root=tmp_path, subset=True)


@pytest.mark.parametrize(
    ("file", "damage", "part"),
    [
        # Six images of 28 x 28 after a header of 16 bytes.
        ("train-images-idx3-ubyte", lambda data: data[:-1], "truncated: 4719 bytes; expected 4720"),
        ("train-images-idx3-ubyte", lambda data: data + b"\0", "too long: 4721 bytes; expected 4720"),
        ("train-images-idx3-ubyte", lambda data: data[:10], "expected an IDX file of Nx28x28 bytes"),
        ("train-images-idx3-ubyte", lambda data: b"", "expected an IDX file"),
        ("train-images-idx3-ubyte", lambda data: b"\x1f\x8b" + data[2:], "starts with 1f 8b 08 03"),
        ("train-images-idx3-ubyte", lambda data: data[:8] + b"\0\0\0\x1b" + data[12:], "6x27x28"),
        ("train-images-idx3-ubyte", lambda data: data[:4] + bytes(4) + data[8:16], "0x28x28"),
        ("train-images-idx3-ubyte", lambda data: data[:4] + b"\xff" * 4 + data[8:], "truncated: 4720 bytes"),
        ("train-labels-idx1-ubyte", lambda data: data[:-2], "truncated: 12 bytes; expected 14"),
        ("train-labels-idx1-ubyte", lambda data: data[:-1] + b"\x0a", "a label is 10; expected 0 to 9"),
        (
            "train-labels-idx1-ubyte",
            lambda data: data[:7] + b"\x05" + data[8:-1],
            "5 labels for the 6 images",
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path, file, damage, part):
    raw, _ = write_mnist(tmp_path)
    path = raw / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{file}: .*{part}"):
        load("mnist", root=tmp_path, subset=True)


def test_fewer_images_than_the_data_set_has_are_a_subset(tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(DataError, match=r"holds 6 train samples of 60000; .*subset=True"):
        load("mnist", root=tmp_path)


@pytest.fixture
def mirror(server, monkeypatch):
    """A folder that torchvision downloads MNIST's packed files from."""
    raw, written = write_mnist(server.folder)
    resources = []
    for file in sorted(raw.iterdir()):
        packed = gzip.compress(file.read_bytes())
        file.with_name(f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{server.url(raw)}/"])
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return raw, written


def test_torchvision_downloads_what_is_missing(tmp_path, mirror, capsys):
    _, written = mirror
    train, _ = load("mnist", root=tmp_path / "here", download=True, subset=True)
    assert np.array_equal(train.inputs[:, 0], written["train"][0])
    # What torchvision prints is not in the way of a command's output.
    assert capsys.readouterr().out == ""
    mirror[0].rename(mirror[0].with_name("gone"))
    assert len(load("mnist", root=tmp_path / "here", download=True, subset=True)[0]) == 6


def test_a_download_that_fails_is_named(tmp_path, mirror):
    raw, _ = mirror
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=f"mnist: could not be downloaded to {tmp_path / 'here'}"):
        load("mnist", root=tmp_path / "here", download=True, subset=True)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are of POSIX")
def test_a_folder_that_cannot_be_written_is_named(mirror):
    with pytest.raises(DataError, match="mnist: could not be downloaded to /proc/"):
        load("mnist", root="/proc/here", download=True)


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path):
    # A name longer than any file system takes.
    with pytest.raises(DataError, match=r"mnist: /.* cannot be read"):
        load("mnist", root=tmp_path / ("x" * 5000))


def test_a_file_of_other_bytes_is_not_taken_for_labels(tmp_path):
    raw, _ = write_mnist(tmp_path)
    write_idx(raw / "train-labels-idx1-ubyte", np.zeros((6, 2)))
    with pytest.raises(DataError, match="train-labels-idx1-ubyte: starts with 00 00 08 02"):
        load("mnist", root=tmp_path, subset=True)
