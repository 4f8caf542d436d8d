r"""Safetensors files with a checksum over all of their bytes.

A safetensors file is the length of its header (8 bytes), its header (JSON: names, types, shapes and places
of the tensors, and text that goes with them) and the bytes of the tensors. Here the text is one JSON object
that begins with ``"sha256"``: 64 digits, the SHA-256 of the whole file with zeros in their place. So any
program that reads safetensors reads these files, and no bit of one can change unnoticed. Nothing in such a
file is code.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from dpap.errors import InputError
from dpap.files.writing import write_atomically

MOST_BYTES = 1 << 34
"""Bytes of a file."""
MOST_HEADER_BYTES = 1 << 24
"""Bytes of a header: 16 MiB."""
MOST_TENSORS = 1 << 16
"""Tensors in a file."""
MOST_DEPTH = 64
"""Lists and objects within each other in the text."""

DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)
"""Types of the tensors."""

_KEY, _SUM = "dpap", "sha256"
_NO_SUM = "0" * 64
_LENGTH_BYTES = 8
# The metadata come first in a header, and the sum first in them.
_BEGINNING = rf'{{"__metadata__":{{"{_KEY}":"{{\"{_SUM}\":\"'.encode()
_SUM_AT = _LENGTH_BYTES + len(_BEGINNING)
_TEXT_AT = _BEGINNING.index(b'"{\\')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OFFSETS = re.compile(rb'"data_offsets":\[(\d{1,20}),(\d{1,20})\]')
_OLD = (b"PK\x03\x04", b"\x80")


def write_sealed(path: str | Path, text: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors and plain values; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    text : mapping
        What JSON has.
    tensors : mapping of str to Tensor
        On any device, of any layout.

    Raises
    ------
    InputError
        The folder cannot be written, a tensor is of a type that is not among :data:`DTYPES`, or a limit is
        exceeded.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES or tensor.layout != torch.strided:
            raise InputError(
                f"{path}: {name} is a tensor of {tensor.dtype}, {tensor.layout}, which it cannot hold"
            )
    # Each on its own: safetensors refuses tensors that share memory.
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    written = json.dumps({_SUM: _NO_SUM, **text}, allow_nan=False, separators=(",", ":"))
    content = memoryview(save(copies, {_KEY: written}))
    header = bytes(content[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")])
    _check_limits(path, header, len(content))
    _check_depth(path, written.encode())
    digest = hashlib.sha256(content).hexdigest().encode()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(content[:_SUM_AT])
            file.write(digest)
            file.write(content[_SUM_AT + len(digest) :])

    write_atomically(path, write)


def read_sealed(path: str | Path, what: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read what :func:`write_sealed` wrote, the tensors on the CPU.

    Limits are checked before anything is parsed, and the checksum before anything is believed.

    Parameters
    ----------
    path : path
    what : str
        What the file should be, for errors: ``checkpoint``.

    Raises
    ------
    InputError
        The file is missing, not a regular file, too large, damaged, or not one of these.
    """
    path = Path(path)
    content, header = _read(path, what)
    seen = hashlib.sha256(content[:_SUM_AT])
    seen.update(_NO_SUM.encode())
    seen.update(content[_SUM_AT + len(_NO_SUM) :])
    if content[_SUM_AT : _SUM_AT + len(_NO_SUM)] != seen.hexdigest().encode():
        raise InputError(
            f"{path}: damaged: its content is not what was written (the SHA-256 differs); take it from a"
            " copy, or train again"
        )
    try:
        text, _ = json.JSONDecoder().raw_decode(header.decode(), _TEXT_AT)
        _check_depth(path, text.encode())
        plain = json.loads(text, parse_constant=_no_number)
        tensors = load(bytes(content))
    except InputError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise _foreign(path, what, error) from error
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise InputError(f"{path}: {name} is a tensor of {tensor.dtype}, which no {what} has")
    plain.pop(_SUM)
    return plain, tensors


def _read(path: Path, what: str) -> tuple[memoryview, bytes]:
    """All bytes, and those of the header, of a file that is as long as its header says."""
    try:
        # Without O_NONBLOCK a pipe would be waited for.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise InputError(f"{path}: not a regular file; expected a {what}")
    with os.fdopen(handle, "rb") as file:
        try:
            start = file.read(_SUM_AT)
            if start.startswith(_OLD) and not start.endswith(_BEGINNING):
                raise InputError(
                    f"{path}: not a {what} of this version: those of earlier ones (.pt) could run code"
                    " when they were read, and are not read any more; train again"
                )
            length = int.from_bytes(start[:_LENGTH_BYTES], "little")
            if start[_LENGTH_BYTES:] != _BEGINNING or not len(_BEGINNING) < length <= MOST_HEADER_BYTES:
                raise _foreign(path, what)
            header = start[_LENGTH_BYTES:] + file.read(length - len(_BEGINNING))
            _check_limits(path, header, found.st_size)
            ends = [int(end) for _, end in _OFFSETS.findall(header)]
            if found.st_size != _LENGTH_BYTES + length + max(ends, default=0):
                raise _foreign(path, what, "it is longer or shorter than its header says")
            rest = file.read(found.st_size - _LENGTH_BYTES - length)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
    return memoryview(start[:_LENGTH_BYTES] + header + rest), header


def _check_limits(path: str | Path, header: bytes, size: int) -> None:
    for count, most, unit in (
        (size, MOST_BYTES, "bytes"),
        (len(header), MOST_HEADER_BYTES, "bytes of header"),
        (header.count(b'"data_offsets"'), MOST_TENSORS, "tensors"),
    ):
        if count > most:
            raise InputError(f"{path}: has {count} {unit}; at most {most}")


def _check_depth(path: str | Path, text: bytes) -> None:
    brackets = np.frombuffer(_STRING.sub(b"", text), np.uint8)
    steps = np.zeros(256, np.int8)
    steps[list(b"[{")], steps[list(b"]}")] = 1, -1
    if np.cumsum(steps[brackets], dtype=np.int32).max(initial=0) > MOST_DEPTH:
        raise InputError(f"{path}: holds lists within lists, deeper than {MOST_DEPTH}")


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _foreign(path: Path, what: str, reason: object = "") -> InputError:
    line = str(reason).splitlines()[0] if str(reason) else ""
    return InputError(f"{path}: not a {what} of this program, or damaged" + (f" ({line})" if line else ""))
