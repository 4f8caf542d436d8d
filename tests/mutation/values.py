"""Changes of trees of plain values, of arrays, and of bytes, drawn by a generator."""

import copy
import math
from random import Random
from typing import Any

import numpy as np

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    255,
    1 << 31,
    -(1 << 31),
    (1 << 63) - 1,
    1 << 63,
    1 << 64,
    10**4000,
    0.5,
    -0.5,
    1e-300,
    1e300,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "0",
    "fc1",
    "[/red]",
    "../../x",
    "\x00",
    "\ud7ff" * 20,
    "x" * 10_000,
    "1FC" + "-1FC" * 2000,
    "1000000000FC",
    [],
    [[]],
    {},
    [0] * 1000,
    [1, [2, [3]]],
    {"": 0},
    {"a": {"b": {}}},
)
"""What a field that came from outside may hold."""

TYPES = ("?", "u1", "i1", "i2", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "S3", "U3", "V4", "M8[s]", ">i4")


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """All containers of a tree with the keys of what they hold."""
    found = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, inner in items:
        found.append((tree, key))
        found += _places(inner)
    return found


def changed_tree(tree: Any, random: Random) -> Any:
    """A copy of dicts, lists and plain values with one to three changes."""
    tree = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = _places(tree)
        if not places:
            return random.choice(VALUES)
        container, key = random.choice(places)
        way = random.randrange(8)
        if way == 0:
            del container[key]
        elif way == 1 and isinstance(container, dict):
            container[random.choice(("extra", "", "[/red]", f"{key}2"))] = container.pop(key)
        elif way == 2 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif way == 3:
            other, place = random.choice(places)
            container[key] = copy.deepcopy(other[place])
        elif way == 4 and isinstance(container[key], int | float):
            container[key] += random.choice((1, -1, 0.5, 1000))
        else:
            container[key] = copy.deepcopy(random.choice(VALUES))
    return tree


def changed_array(array: np.ndarray, random: Random) -> np.ndarray:
    """An array of another shape, type or content."""
    way = random.randrange(7)
    if way == 0:
        return array[..., None]
    if way == 1:
        return array.reshape(-1)[: random.randrange(array.size + 1)]
    if way == 2:
        return np.zeros(random.choice(((), (0,), (0, 3), (1,) * 20, (3, 0, 2))), array.dtype)
    if way == 3:
        with np.errstate(all="ignore"):
            return np.zeros(array.shape, random.choice(TYPES))
    if way == 4:
        return np.concatenate([array.reshape(-1)] * 3)
    changed = array.copy()
    if changed.size and changed.dtype.kind in "biuf":
        limits = (
            (math.nan, math.inf, -math.inf, -1.0, 1e30)
            if changed.dtype.kind == "f"
            else (True, False)
            if changed.dtype.kind == "b"
            else (np.iinfo(changed.dtype).min, np.iinfo(changed.dtype).max, 0, 1)
        )
        if way == 5:
            changed.reshape(-1)[random.randrange(changed.size)] = random.choice(limits)
        else:
            changed[...] = random.choice(limits)
    return changed


NUMBERS = (b"\0" * 8, b"\xff" * 8, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 7 + b"\x7f", b"\0", b"\x01")


def changed_bytes(content: bytes, random: Random, other: bytes = b"", start: int = 0) -> bytes:
    """Bytes with flips, cuts, copies and numbers at their limits, from a place on."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        if len(changed) <= start:
            break
        place = random.randrange(start, len(changed))
        length = random.choice((1, 2, 8, 64, 512))
        way = random.randrange(7)
        if way <= 1:
            changed[place] ^= 1 << random.randrange(8)
        elif way == 2:
            number = random.choice(NUMBERS)
            changed[place : place + len(number)] = number
        elif way == 3:
            del changed[place : place + length]
        elif way == 4:
            changed[place:place] = changed[place : place + length]
        elif way == 5 and other:
            source = random.randrange(len(other))
            changed[place : place + length] = other[source : source + length]
        elif way == 6:
            del changed[place:]
    return bytes(changed)
