import hashlib
import pickle
import tarfile

import numpy as np
import pytest
import torchvision.datasets
from small_files import write_cifar

from dpap.data import CropFlip, load
from dpap.encoders import Direct
from dpap.errors import DataError


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Five small batches and a test batch in torchvision's layout."""
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    return folder, write_cifar(folder, torchvision.datasets.CIFAR10, monkeypatch)


def write_archive(root, part="train_10", count=5, **changes):
    folder = root / "cifar10"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
        "labels": np.arange(count, dtype=np.uint8) % 10,
        "filenames": np.array([f"{i}.png" for i in range(count)]),
    }
    arrays |= changes
    path = folder / f"cifar10_{part}.npz"
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path, arrays


def test_the_whole_set_is_read_by_torchvision(tmp_path, official):
    _, written = official
    train, test = load("cifar10", root=tmp_path, subset=True, encoder=Direct())
    assert train.inputs.shape == (15, 3, 32, 32)
    for index, name in enumerate(sorted(written)[:5]):
        data, labels = written[name]
        # A row has the red plane first, then green and blue.
        assert np.array_equal(train.batch(np.arange(3) + 3 * index), data.reshape(3, 3, 32, 32))
        assert train.labels[3 * index : 3 * index + 3].tolist() == labels
    assert test.labels.tolist() == written["test_batch"][1]


def test_a_damaged_batch_is_named_and_not_unpickled(tmp_path, official):
    folder, _ = official

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    (folder / "data_batch_3").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=f"{folder}/data_batch_3: damaged: its MD5 checksum is .*; expected"):
        load("cifar10", root=tmp_path, subset=True)
    assert not (tmp_path / "exploded").exists()


def test_a_missing_batch_is_named(tmp_path, official):
    folder, _ = official
    (folder / "test_batch").unlink()
    with pytest.raises(DataError, match=f"{folder}/test_batch is missing"):
        load("cifar10", root=tmp_path, subset=True)


def test_torchvision_downloads_it(tmp_path, official, monkeypatch, server):
    folder, written = official
    archive = server.folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", server.url(archive))
    monkeypatch.setattr(
        torchvision.datasets.CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest()
    )
    (test,) = load("cifar10", "test", root=tmp_path / "here", download=True, subset=True)
    assert test.labels.tolist() == written["test_batch"][1]


def test_a_subset_is_an_archive(tmp_path):
    _, train_arrays = write_archive(tmp_path)
    _, test_arrays = write_archive(tmp_path, "test_2k", 3)
    splits = load("cifar10", root=tmp_path, subset=True, encoder=Direct())
    for split, arrays in zip(splits, (train_arrays, test_arrays), strict=True):
        chosen = np.arange(len(split))
        assert np.array_equal(split.batch(chosen).transpose(0, 2, 3, 1), arrays["images"])
        assert np.array_equal(split.labels, arrays["labels"])
    with pytest.raises(DataError, match=r"cifar10_train_10.npz beside it is a subset, .*subset=True"):
        load("cifar10", root=tmp_path)


def test_two_archives_of_a_part_are_one_too_many(tmp_path):
    write_archive(tmp_path)
    write_archive(tmp_path, "train_2k")
    with pytest.raises(DataError, match=r"holds cifar10_train_10\.npz, cifar10_train_2k\.npz"):
        load("cifar10", "train", root=tmp_path, subset=True)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"images": None}, "has no images"),
        ({"labels": None}, "has no labels"),
        ({"images": np.zeros((5, 3, 32, 32), np.uint8)}, r"images are uint8 \(5, 3, 32, 32\)"),
        ({"images": np.zeros((5, 32, 32, 3))}, "images are float64"),
        ({"images": np.zeros((0, 32, 32, 3), np.uint8)}, r"images are uint8 \(0, 32, 32, 3\)"),
        ({"images": np.zeros((4, 32, 32, 3), np.uint8)}, r"labels are uint8 \(5,\); expected uint8 \(4,\)"),
        ({"labels": np.full(5, 10, np.uint8)}, "a label is 10; expected 0 to 9"),
        ({"labels": np.array([{}] * 5)}, "allow_pickle"),
    ],
)
def test_another_archive_is_refused(tmp_path, changes, part):
    path, _ = write_archive(tmp_path, **changes)
    with pytest.raises(DataError, match=f"{path}: .*{part}"):
        load("cifar10", "train", root=tmp_path, subset=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\x93NUMPY\x01\x00" + data[8:],
        lambda data: data[:200] + bytes(50) + data[250:],
    ],
)
def test_a_damaged_archive_is_named(tmp_path, damage):
    path, _ = write_archive(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{path}: damaged, or not of the expected form"):
        load("cifar10", "train", root=tmp_path, subset=True)


def test_augmented_photographs_are_the_same_for_a_seed_and_an_epoch(tmp_path):
    write_archive(tmp_path, count=12)
    first, again, other = (
        load("cifar10", "train", root=tmp_path, subset=True, augmentation=CropFlip(), seed=seed)[0]
        for seed in (0, 0, 1)
    )
    chosen = np.arange(12)
    assert np.array_equal(first.batch(chosen, 5), again.batch(chosen, 5))
    assert np.array_equal(first.batch(chosen, 5)[[7, 3]], first.batch([7, 3], 5))
    assert not np.array_equal(first.batch(chosen, 5), first.batch(chosen, 6))
    assert not np.array_equal(first.batch(chosen, 5), other.batch(chosen, 5))
