"""Mutations of files by family: of their bytes, and of what they say with checksums that are right."""

import hashlib
import io
import json
import math
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import h5py
import numpy as np
import torch
import yaml

from deploy.formats.seal import BLOCK_BYTES, seal
from dpap.checkpoint.sealed_file import read_sealed, write_sealed
from mutation.values import TYPES, VALUES, changed_array, changed_bytes, changed_tree

_NOT_WRITTEN = (ValueError, TypeError, KeyError, IndexError, OverflowError, OSError, RuntimeError)
"""What libraries raise where they cannot write what a mutation asks for; then bytes are changed."""

Mutate = Callable[[Path, Path, Random], None]


def mutate(family: str, source: Path, to: Path, random: Random, other: bytes = b"") -> None:
    """Write a mutation of a file: its bytes changed, or what it says, with the right checksum."""
    if random.random() >= 0.3:
        try:
            FAMILIES[family](source, to, random)
            return
        except _NOT_WRITTEN:
            pass
    to.write_bytes(changed_bytes(source.read_bytes(), random, other))


def _safetensors(source: Path, to: Path, random: Random) -> None:
    if random.random() < 0.3:
        content = changed_bytes(source.read_bytes(), random)
        place = content.find(b'sha256\\":\\"') + len(b'sha256\\":\\"')
        zeroed = content[:place] + b"0" * 64 + content[place + 64 :]
        to.write_bytes(zeroed[:place] + hashlib.sha256(zeroed).hexdigest().encode() + zeroed[place + 64 :])
        return
    plain, tensors = read_sealed(source, "checkpoint")
    if random.random() < 0.6 or not tensors:
        # JSON has no NaN; states write it out.
        plain = json.loads(
            json.dumps(changed_tree(plain, random)), parse_constant=lambda name: {"$float": name}
        )
        if not isinstance(plain, dict):
            plain = {"content": plain}
    else:
        name = random.choice(list(tensors))
        way = random.randrange(6)
        if way == 0:
            del tensors[name]
        elif way == 1:
            tensors[f"{name}2"] = tensors.pop(name)
        elif way == 2:
            tensors[name] = tensors[random.choice(list(tensors))]
        elif tensors[name].dtype != torch.bfloat16:
            array = changed_array(tensors[name].numpy(), random)
            tensors[name] = (
                torch.tensor(array.tolist())
                if array.dtype.kind not in "biuf" or (array.dtype.kind == "u" and array.itemsize > 1)
                else torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
            )
            if tensors[name].dtype.is_complex:
                tensors[name] = tensors[name].real
    write_sealed(to, plain, tensors)


def _hdf5(source: Path, to: Path, random: Random) -> None:
    shutil.copyfile(source, to)
    with h5py.File(to, "r+") as file:
        for _ in range(random.choice((1, 1, 2))):
            _change_hdf5(file, random)


def _change_hdf5(file: h5py.File, random: Random) -> None:
    names = [""]
    file.visit(names.append)
    name = random.choice(names)
    item = file[name] if name else file
    attributes = list(item.attrs)
    if attributes and random.random() < 0.5:
        attribute = random.choice(attributes)
        value = np.asarray(item.attrs[attribute])
        del item.attrs[attribute]
        if random.random() < 0.9:
            changed = changed_array(value, random) if value.dtype.kind in "biuf" else random.choice(VALUES)
            try:
                item.attrs[attribute] = changed
            except (TypeError, ValueError, OverflowError, OSError):
                item.attrs[attribute] = 7
        return
    if not name:
        file.attrs["more"] = np.zeros(100)
        return
    way = random.randrange(10)
    if way <= 4 and isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf":
        array = changed_array(item[()] if item.shape == () else item[...], random)
        del file[name]
        array = array if array.dtype.kind not in "UM" else array.astype("S3")
        file.create_dataset(name, data=array)
        return
    del file[name]
    if way == 5:
        file.create_dataset(name, shape=(1 << 40,), dtype="i4", chunks=(1 << 16,))
    elif way == 6:
        file[name] = h5py.ExternalLink("/etc/passwd", "/")
    elif way == 7:
        file[name] = h5py.SoftLink(random.choice(("/", name, "/nowhere")))
    elif way == 8:
        layout = h5py.VirtualLayout(shape=(4,), dtype="i4")
        layout[...] = h5py.VirtualSource("/tmp/elsewhere.h5", "data", shape=(4,))
        file.create_virtual_dataset(name, layout)
    elif random.random() < 0.5:
        # A small file that unpacks to much.
        file.create_dataset(name, shape=(1 << 28,), dtype="i1", chunks=(1 << 24,), compression="gzip")


def _sealed_hdf5(source: Path, to: Path, random: Random) -> None:
    if random.random() < 0.4:
        to.write_bytes(changed_bytes(source.read_bytes(), random, start=BLOCK_BYTES))
    else:
        _hdf5(source, to, random)
    if to.stat().st_size >= BLOCK_BYTES:
        seal(to)


_YAML = (
    "&a [*a]",
    "{a: &a {b: *a}}",
    "!!python/object/apply:os.system [ls]",
    "!!binary aGVsbG8=",
    "!!set {a, b}",
    "2024-01-01",
    "0x" + "f" * 5000,
    "9" * 5000,
    "1:" * 200 + "1",
    ".nan",
    ".inf",
    "[" * 3000 + "]" * 3000,
    "{a: " * 500 + "1" + "}" * 500,
    "? {a: 1}\n: 2",
    "'\\udc00'",
    '"\\ud800"',
    "<<: {a: 1}",
)


def _yaml_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "\n".join(lines) + "\n"


def _merge_bomb() -> str:
    lines = ["m0: &m0 {a: 1}"]
    lines += [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}], k{i}: 1}}" for i in range(1, 9)]
    return "\n".join(lines) + "\n"


def _yaml(source: Path, to: Path, random: Random) -> None:
    text = source.read_text(encoding="utf-8")
    way = random.randrange(8)
    lines = text.splitlines(keepends=True)
    place = random.randrange(len(lines))
    if way == 0:
        text = random.choice((_yaml_bomb, _merge_bomb))() + (text if random.random() < 0.5 else "")
    elif way == 1:
        key = lines[place].split(":")[0]
        text = "".join([*lines[:place], f"{key}: {random.choice(_YAML)}\n", *lines[place + 1 :]])
    elif way == 2:
        text = "".join([*lines[:place], lines[place] * 2, *lines[place + 1 :]])
    elif way == 3:
        text = random.choice((f"---\n{text}---\n{text}", random.choice(_YAML), "", "#", "- 1", text * 40))
    else:
        tree = changed_tree(yaml.safe_load(text), random)
        if random.random() < 0.7:
            text = yaml.safe_dump(tree, sort_keys=False) if not _huge(tree) else "a: " + "9" * 4301
        else:
            text = json.dumps(tree) if not _huge(tree) else '{"a": ' + "9" * 4301 + "}"
    to.write_text(text, encoding="utf-8", errors="replace")


def _huge(tree: object) -> bool:
    """Whether an int is too long for Python to write out."""
    if isinstance(tree, dict):
        return any(map(_huge, tree.values()))
    if isinstance(tree, list):
        return any(map(_huge, tree))
    return isinstance(tree, int) and abs(tree) > 1 << 14_000


def _header(shape: str, kind: str = "<i4", order: str = "False") -> bytes:
    text = f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"


def _npy_bytes(content: bytes, random: Random) -> bytes:
    array = np.load(io.BytesIO(content))
    way = random.randrange(5)
    if way == 0:
        shape = random.choice(
            ("(1 << 40,)", "(1099511627776,)", "(-1,)", "()", "(0,)", "(3, 4)", "3", "(" * 90 + ")" * 90)
        )
        return _header(shape, random.choice(("<i4", "|O", "<f8", "|V0", "|S0")), "True") + b"\0" * 64
    if way == 1:
        return b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + content[10:]
    if way == 2:
        array = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    elif way == 3:
        array = np.zeros(random.choice(((), (3,), array.shape)), random.choice(TYPES))
    else:
        array = changed_array(array, random)
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _npy(source: Path, to: Path, random: Random) -> None:
    to.write_bytes(_npy_bytes(source.read_bytes(), random))


def _idx(source: Path, to: Path, random: Random) -> None:
    """A header of other dimensions, with as many bytes as it says or as there were."""
    content = source.read_bytes()
    sizes = [random.choice((0, 1, 9, 20, 28, 1 << 31, (1 << 32) - 1)) for _ in range(content[3])]
    kind = random.choice((8, 8, 8, 9, 13, 255))
    header = struct.pack(f">4B{len(sizes)}I", 0, 0, kind, random.choice((len(sizes), 0, 255)), *sizes)
    size = math.prod(sizes)
    body = content[len(header) :]
    to.write_bytes(header + (random.randbytes(size) if size <= 1 << 16 and random.random() < 0.7 else body))


def _bytes(source: Path, to: Path, random: Random) -> None:
    to.write_bytes(changed_bytes(source.read_bytes(), random))


def _npz(source: Path, to: Path, random: Random) -> None:
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(list(members))
    way = random.randrange(8)
    if way == 0:
        del members[name]
    elif way == 1:
        members[random.choice(("x.npy", "../x.npy", "[/red]/pruning_rate.npy", "a", name * 50))] = (
            members.pop(name)
        )
    elif way == 2:
        members[name] = changed_bytes(members[name], random)
    elif way == 3 and random.random() < 0.3:
        members |= {f"fc{index}/pruning_rate.npy": members[name] for index in range(20_000)}
    elif way == 4 and random.random() < 0.3:
        size = 1 << 28
        members[name] = _header(f"({size},)", "|u1") + bytes(size)
    else:
        members[name] = _npy_bytes(members[name], random)
    packed = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)) if way != 4 else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(to, "w", packed) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
            if random.random() < 0.01:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    archive.writestr(member, content)


def _csv(source: Path, to: Path, random: Random) -> None:
    rows = [line.split(",") for line in source.read_text(encoding="utf-8").splitlines()]
    row = random.randrange(len(rows))
    column = random.randrange(len(rows[row]))
    way = random.randrange(5)
    if way == 0:
        del rows[row][column]
    elif way == 1:
        rows.insert(row, rows[row])
    elif way == 2:
        rows *= random.choice((2, 5000))
    else:
        rows[row][column] = random.choice(
            ("nan", "inf", "-1", "1e400", "9" * 5000, "x" * 200_000, '"', '"\n', "\0", "[/red]", "", "0.5")
        )
    to.write_text("\n".join(map(",".join, rows)), encoding="utf-8")


def _json(source: Path, to: Path, random: Random) -> None:
    tree = changed_tree(json.loads(source.read_text(encoding="utf-8")), random)
    text = json.dumps(tree) if not _huge(tree) else "9" * 5000
    to.write_text(random.choice((text, text, text, "[" * 100_000, text * 2)), encoding="utf-8")


FAMILIES: dict[str, Mutate] = {
    "safetensors": _safetensors,
    "sealed-hdf5": _sealed_hdf5,
    "hdf5": _hdf5,
    "yaml": _yaml,
    "npy": _npy,
    "npz": _npz,
    "csv": _csv,
    "json": _json,
    "idx": _idx,
    "bytes": _bytes,
}
"""What changes a file of each family; the checksum, where there is one, is right."""
