"""Small files in the layouts of data sets."""

import hashlib
import pickle
import struct

import numpy as np


def write_idx(path, values):
    """An IDX file of bytes."""
    values = np.asarray(values, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(header + values.tobytes())


def write_mnist(root, folder="mnist", name="MNIST", train=6, test=4, seed=0):
    """The four files of MNIST, with random images; gives them back by part."""
    rng = np.random.default_rng(seed)
    raw = root / folder / name / "raw"
    written = {}
    for part, count in (("train", train), ("t10k", test)):
        images, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count) % 10
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", labels)
        written[part] = images, labels
    return raw, written


def write_atis(path, events):
    """Events (x, y, polarity, microseconds) as N-MNIST has them: 5 bytes each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytearray()
    for x, y, p, t in events:
        content += bytes([x, y]) + (p << 23 | t).to_bytes(3, "big")
    path.write_bytes(bytes(content))


def atis_events(count=40, seed=0, span=300_000):
    """Random events of N-MNIST's sensor, in the order of time."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, span, count))
    return [(*(int(v) for v in rng.integers(0, 34, 2)), int(rng.integers(2)), int(t)) for t in times]


def write_gesture(root, part, user, light, label, events):
    """One recording of tonic's DVS-Gesture: an array (events, 4) of x, y, polarity and milliseconds."""
    folder = root / "dvs_gesture" / "DVSGesture" / part / f"user{user:02d}_{light}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{label}.npy"
    np.save(path, events)
    return path


def gesture_events(count=50, seed=0, dtype=np.int64):
    """Random events of the gestures' sensor."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, high, count) for high in (128, 128, 2)]
    return np.stack([*columns, np.sort(rng.integers(0, 6000, count))], 1).astype(dtype)


def write_cifar(folder, cifar10, monkeypatch, per_batch=3, seed=0):
    """CIFAR-10 in torchvision's layout, and its class with the checksums of these files."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}

    def write(name, content):
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name):
        data = rng.integers(0, 256, (per_batch, 3072), np.uint8)
        labels = [int(label) for label in rng.integers(0, 10, per_batch)]
        written[name] = data, labels
        return [name, write(name, {"data": data, "labels": labels})]

    monkeypatch.setattr(cifar10, "train_list", [batch(f"data_batch_{i}") for i in range(1, 6)])
    monkeypatch.setattr(cifar10, "test_list", [batch("test_batch")])
    meta = {"label_names": [str(i) for i in range(10)]}
    checksum = write("batches.meta", meta)
    monkeypatch.setattr(cifar10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": checksum})
    return written
