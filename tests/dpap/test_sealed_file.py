"""Files with a checksum over all of their bytes: what comes back, and what is refused before it is parsed."""

import hashlib
import io
import json
import os
import pickle
import random
import struct
import zipfile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

import dpap
from dpap.checkpoint import load_checkpoint, save_checkpoint, sealed_file
from dpap.checkpoint.sealed_file import read_sealed, write_sealed
from dpap.errors import StorageError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.safetensors"
    write_sealed(path, {"a": [1, "two"]}, {"x": torch.arange(6.0).view(2, 3), "y": torch.tensor([True])})
    return path


def resealed(content):
    """The bytes with the checksum that they would have: what an attacker writes."""
    place = content.index(b'sha256\\":\\"') + len(b'sha256\\":\\"')
    zeroed = content[:place] + b"0" * 64 + content[place + 64 :]
    return zeroed[:place] + hashlib.sha256(zeroed).hexdigest().encode() + zeroed[place + 64 :]


def test_any_reader_of_safetensors_reads_it_and_the_checksum_is_of_all_bytes(file):
    with safe_open(str(file), "pt") as content:
        assert torch.equal(content.get_tensor("x"), torch.tensor([[0.0, 1, 2], [3, 4, 5]]))
        text = json.loads(content.metadata()["dpap"])
    assert text.pop("sha256") in file.read_text("latin1")
    assert text == {"a": [1, "two"]}
    assert resealed(file.read_bytes()) == file.read_bytes()


def test_every_flipped_bit_is_refused(file):
    content = file.read_bytes()
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        file.write_bytes(changed)
        with pytest.raises(dpap.InputError):
            read_sealed(file, "checkpoint")


def test_flipped_bits_of_a_trained_network_are_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    network = dpap.networks.build("3C3-BN-6RFC-4FC", (1, 6, 6), 2)
    save_checkpoint(path, network, dpap.DPAP(network))
    content = path.read_bytes()
    for place in random.Random(0).sample(range(8 * len(content)), 300):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(dpap.InputError):
            load_checkpoint(path)


def test_every_truncation_and_what_is_appended_are_refused(file):
    content = file.read_bytes()
    for changed in (*(content[:length] for length in range(len(content))), content + b"\0"):
        file.write_bytes(changed)
        with pytest.raises(dpap.InputError):
            read_sealed(file, "checkpoint")


def test_headers_of_all_lengths_are_read(tmp_path):
    """Also that of 128 k bytes, whose file begins with the byte that a pickle begins with."""
    begins = set()
    for length in range(0, 260, 4):
        path = tmp_path / "file.safetensors"
        write_sealed(path, {"text": "x" * length}, {})
        begins.add(path.read_bytes()[0])
        assert read_sealed(path, "checkpoint") == ({"text": "x" * length}, {})
    assert 0x80 in begins


DTYPES = [
    torch.tensor([True, False]),
    torch.tensor([0, 255], dtype=torch.uint8),
    torch.tensor([-128, 127], dtype=torch.int8),
    torch.tensor([-(1 << 15)], dtype=torch.int16),
    torch.tensor([-(1 << 31)], dtype=torch.int32),
    torch.tensor([-(1 << 63), (1 << 63) - 1]),
    torch.tensor([6e-8, 65504], dtype=torch.float16),
    torch.tensor([1e38], dtype=torch.bfloat16),
    torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45]),
    torch.tensor([5e-324, 1 / 3], dtype=torch.float64),
    torch.tensor(3),
    torch.zeros(0, 4),
    torch.arange(12).view(3, 4).t(),
    torch.arange(12.0)[::3],
    torch.zeros(1).expand(5),
]


@pytest.mark.parametrize("tensor", DTYPES, ids=lambda tensor: f"{tensor.dtype}{list(tensor.shape)}")
def test_tensors_come_back_bit_for_bit(tmp_path, tensor):
    path = tmp_path / "file.safetensors"
    write_sealed(path, {}, {"one": tensor, "shared": tensor})
    _, tensors = read_sealed(path, "checkpoint")
    for found in tensors.values():
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
        assert (
            found.numpy(force=True).tobytes() == tensor.contiguous().numpy(force=True).tobytes()
            if (tensor.dtype != torch.bfloat16)
            else torch.equal(found, tensor)
        )


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(dpap.InputError, match="not a regular file"):
            read_sealed(path, "checkpoint")
    with pytest.raises(dpap.InputError, match="no such file"):
        read_sealed(tmp_path / "none", "checkpoint")


def zipped():
    buffer = io.BytesIO()
    torch.save({"network": {}}, buffer)
    return buffer.getvalue()


def scripted():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evil/constants.pkl", pickle.dumps(()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [zipped(), scripted(), pickle.dumps({"network": {}})], ids=["zip", "TorchScript", "pickle"]
)
def test_files_of_earlier_versions_are_named(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(
        dpap.InputError, match=r"checkpoint\.pt: not a checkpoint of this version.*train again"
    ):
        load_checkpoint(path)


def header(file, change):
    """The file with another header, and the right checksum."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    text = change(content[8 : 8 + length])
    file.write_bytes(resealed(struct.pack("<Q", len(text)) + text + content[8 + length :]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"F32"', b'"F64"'),
        (b'"F32"', b'"F99"'),
        (b'"shape":[2,3]', b'"shape":[3,3]'),
        (b'"shape":[2,3]', b'"shape":[2,-3]'),
        (b'"shape":[2,3]', b'"shape":[9223372036854775807,9223372036854775807]'),
        (b'"x":', b'"y":'),
        (b'"data_offsets":[0,24]', b'"data_offsets":[0,99999999999]'),
        (b'"data_offsets":[0,24]', b'"data_offsets":[1,24]'),
        (b"[1,", b"[NaN,"),
        (b"[1,", b"[1,,"),
        (b"[1,", b"[" + b"9" * 5000 + b","),
        (b"two", b"\xff\xfe"),
    ],
)
def test_resealed_headers_give_one_error(file, old, new):
    before = file.read_bytes()
    header(file, lambda text: text.replace(old, new, 1))
    assert file.read_bytes() != before
    with pytest.raises(dpap.InputError):
        read_sealed(file, "checkpoint")


def test_what_is_nested_too_deep_is_refused_before_it_is_parsed(file):
    header(file, lambda text: text.replace(b"[1,", b"[" * 100_000 + b"]" * 100_000 + b",", 1))
    with pytest.raises(dpap.InputError, match="lists within lists, deeper than 64"):
        read_sealed(file, "checkpoint")


def test_limits(file, monkeypatch, tmp_path):
    monkeypatch.setattr(sealed_file, "MOST_TENSORS", 1)
    with pytest.raises(dpap.InputError, match="has 2 tensors; at most 1"):
        read_sealed(file, "checkpoint")
    with pytest.raises(dpap.InputError, match="has 2 tensors; at most 1"):
        write_sealed(tmp_path / "other", {}, {"x": torch.zeros(1), "y": torch.zeros(1)})
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(sealed_file, "MOST_BYTES", 100)
    with pytest.raises(dpap.InputError, match="bytes; at most 100"):
        read_sealed(file, "checkpoint")


def test_a_file_that_claims_to_be_large_is_refused_unread(file):
    with file.open("r+b") as content:
        content.truncate(1 << 40)
    with pytest.raises(dpap.InputError, match="at most 17179869184"):
        read_sealed(file, "checkpoint")


def test_foreign_safetensors_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(save({"weight": torch.zeros(3)}, {"format": "pt"}))
    with pytest.raises(dpap.InputError, match="not a checkpoint of this program"):
        read_sealed(path, "checkpoint")


def test_a_full_disk_leaves_what_was_there_and_nothing_else(file, monkeypatch):
    before = file.read_bytes()

    def full(self, mode):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(file), "open", full)
    with pytest.raises(StorageError, match=r"cannot write .*No space left on device"):
        write_sealed(file, {}, {"x": torch.zeros(3)})
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    monkeypatch.undo()
    assert file.read_bytes() == before


def test_what_cannot_be_held_is_refused(tmp_path):
    for tensor in (torch.zeros(2, dtype=torch.complex64), torch.zeros(2, 2).to_sparse()):
        with pytest.raises(dpap.InputError, match="x is a tensor of"):
            write_sealed(tmp_path / "file", {}, {"x": tensor})
