"""States that come from files: checked before anything is taken over."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError

from dpap.errors import InputError
from dpap.errors.shown import shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

Shape = tuple[int | None, ...]
"""Extents of a tensor; None where any extent will do."""

MOST_COUNT = (1 << 63) - 1
"""The largest whole number in a state: what an int64 holds."""


def checked_state(
    state: Any, expected: Mapping[str, Shape | torch.Tensor | None], where: str
) -> dict[str, Any]:
    """The values of a state, or the reason why it cannot be one.

    Parameters
    ----------
    state : mapping
        What is to be loaded.
    expected : mapping
        By key: a tensor of the shape and type that is expected, or the shape alone of one of float32; None
        for a number, whole and not negative.
    where : str
        Whose state it is, for errors.

    Returns
    -------
    dict
        Tensors, and ``int`` for numbers.

    Raises
    ------
    InputError
        A key is missing or unknown, or a value has another type or shape, or is not finite.
    """
    check_keys(state, expected, where)
    return {name: _checked(state[name], wanted, f"{where}, {name}") for name, wanted in expected.items()}


def checked_numbers(
    values: Any,
    where: str,
    *,
    count: int,
    whole: bool = False,
    finite: bool = True,
    least: float = -math.inf,
    most: float = math.inf,
) -> list:
    """A list of numbers of a state, or the reason why it cannot be one.

    Parameters
    ----------
    values : list
    where : str
        What it is, for errors.
    count : int
        How many there must be.
    whole : bool
        Whether they must be whole numbers.
    finite : bool
        Whether NaN and infinities are refused.
    least, most : float
        The range of those that are finite.

    Raises
    ------
    InputError
        It is not such a list.
    """
    if not isinstance(values, list):
        raise InputError(f"{where}: the state is a {type(values).__name__}; expected a list of numbers")
    if len(values) != count:
        raise InputError(f"{where}: the state has {len(values)} numbers; expected {count}")
    kind, kinds = ("a whole number", (int,)) if whole else ("a number", (int, float))
    for value in values:
        if type(value) not in kinds or (type(value) is int and abs(value) > MOST_COUNT):
            raise InputError(f"{where}: the state holds {shown(value)}; expected {kind}")
        if not math.isfinite(value):
            if finite:
                raise InputError(f"{where}: the state holds {value}; expected {kind} that is finite")
        elif not least <= value <= most:
            raise InputError(f"{where}: the state holds {value}; expected {kind} from {least} to {most}")
    return list(values) if whole else list(map(float, values))


def check_keys(state: Any, expected: Mapping[str, Any], where: str) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless ``state`` is a mapping with exactly these keys."""
    if not isinstance(state, Mapping):
        raise InputError(f"{where}: the state is a {type(state).__name__}; expected a mapping")
    for problem, names in (
        ("lacks", set(expected) - set(state)),
        ("has the unknown", {str(name) for name in set(state) - set(expected)}),
    ):
        if names:
            raise InputError(
                f"{where}: the state {problem} {', '.join(sorted(names))};"
                " it is of another network, another pruner or another version"
            )


def checked_record(kind: type[Record], state: Any, where: str) -> Record:
    """A dataclass of plain values, from what :func:`dataclasses.asdict` made of it.

    Raises
    ------
    InputError
        Fields are missing or unknown, or a value is of another type, or not finite.
    """
    check_keys(state, dict.fromkeys(field.name for field in fields(kind)), where)
    try:
        record = TypeAdapter(kind).validate_python(dict(state))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{where}, {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for name, value in asdict(record).items():
        # Not what pydantic would make of "1" or True either.
        if isinstance(state[name], bool) != isinstance(value, bool) or state[name] != value:
            raise InputError(f"{where}, {name} is {shown(state[name])}; expected a value like {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}, {name} is {value}; expected a number that is finite")
    return record


def _checked(value: Any, wanted: Shape | torch.Tensor | None, where: str) -> Any:
    if wanted is None:
        return _checked_count(value, where)
    shape = tuple(wanted.shape) if isinstance(wanted, torch.Tensor) else wanted
    dtype = wanted.dtype if isinstance(wanted, torch.Tensor) else torch.float32
    if not isinstance(value, torch.Tensor):
        raise InputError(f"{where} is a {type(value).__name__}; expected a tensor of shape {shape}")
    fits = value.dim() == len(shape) and all(
        extent in (None, actual) for extent, actual in zip(shape, value.shape, strict=True)
    )
    if not fits:
        raise InputError(f"{where} has shape {tuple(value.shape)}; expected {shape}")
    if value.dtype != dtype:
        raise InputError(f"{where} is of {value.dtype}; expected {dtype}")
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise InputError(f"{where} holds a value that is not finite")
    return value


def _checked_count(value: Any, where: str) -> int:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNT:
        raise InputError(f"{where} is {shown(value)}; expected a whole number, 0 or more")
    return value
