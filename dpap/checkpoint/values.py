"""States as JSON: plain values are written out, and tensors are named.

JSON's own values stand for themselves, and objects for dicts whose keys are text. What JSON does not have is
an object with one key that begins with ``$``:

==================  ===========================================================================
``$tensor``         the name of a tensor of the file
``$tuple``          the items of a tuple
``$float``          ``nan``, ``inf`` or ``-inf``
``$items``          the keys and values of a dict whose keys are not all text, or begin with ``$``
==================  ===========================================================================
"""

import math
from collections.abc import Mapping
from typing import Any

import torch

from dpap.errors import InputError

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_PLAIN = (type(None), bool, int, str)


def encode(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """A state as values that JSON has; its tensors are added to ``tensors``.

    Parameters
    ----------
    value
        Tensors, None, bool, int, float, str, and lists, tuples and mappings of these.
    name : str
        Its place, as in ``training/learning``: the beginning of the names of its tensors.
    tensors : dict of str to Tensor
        Tensors by the names under which they are to be written.

    Raises
    ------
    InputError
        A value is of another kind.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, torch.Tensor):
        return {"$tensor": _added(value, name, tensors)}
    if isinstance(value, list | tuple):
        items = [encode(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, Mapping):
        items = [(key, encode(item, f"{name}/{key}", tensors)) for key, item in value.items()]
        if all(type(key) is str and not key.startswith("$") for key, _ in items):
            return dict(items)
        return {"$items": [[encode(key, name, tensors), item] for key, item in items]}
    raise InputError(
        f"{name} is a {type(value).__name__}; a checkpoint holds tensors, numbers, text, None, and lists,"
        " tuples and dicts of these"
    )


def _added(tensor: torch.Tensor, name: str, tensors: dict[str, torch.Tensor]) -> str:
    free, count = name, 1
    while free in tensors:
        count += 1
        free = f"{name}#{count}"
    tensors[free] = tensor
    return free


def decode(content: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The state that :func:`encode` wrote; the tensors that it names are taken out of ``tensors``.

    Raises
    ------
    InputError
        It is not of the form above, or names a tensor that is not there, or that it has named before.
    """
    if type(content) in _PLAIN or (isinstance(content, float) and math.isfinite(content)):
        return content
    if isinstance(content, list):
        return [decode(item, f"{name}/{index}", tensors) for index, item in enumerate(content)]
    if isinstance(content, dict):
        if not any(key.startswith("$") for key in content):
            return {key: decode(item, f"{name}/{key}", tensors) for key, item in content.items()}
        if len(content) == 1:
            ((tag, inner),) = content.items()
            if tag == "$tensor" and isinstance(inner, str) and inner in tensors:
                return tensors.pop(inner)
            if tag == "$tuple" and isinstance(inner, list):
                return tuple(decode(inner, name, tensors))
            if tag == "$float" and isinstance(inner, str) and inner in _NOT_FINITE:
                return _NOT_FINITE[inner]
            if tag == "$items" and isinstance(inner, list):
                return _mapping(inner, name, tensors)
    raise InputError(f"{name} is not of the form in which states are written")


def _mapping(pairs: list, name: str, tensors: dict[str, torch.Tensor]) -> dict:
    found: dict = {}
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2):
            raise InputError(f"{name} has an item that is not a key and its value")
        key = decode(pair[0], name, tensors)
        if not isinstance(key, str | int | float | None) or key in found:
            raise InputError(f"{name} has a key that is not text or a number, or has it twice")
        found[key] = decode(pair[1], f"{name}/{key}", tensors)
    return found
