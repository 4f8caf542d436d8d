"""States that come from files: checked before anything is taken over."""

from collections.abc import Mapping
from typing import Any

import torch

from dpap.errors import InputError

Shape = tuple[int | None, ...]
"""Extents of a tensor; None where any extent will do."""


def checked_state(state: Any, expected: Mapping[str, Shape | None], where: str) -> dict[str, Any]:
    """The values of a state, or the reason why it cannot be one.

    Parameters
    ----------
    state : mapping
        What is to be loaded.
    expected : mapping
        The shape of the tensor by key; None for a number, whole and not negative.
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
    return {name: _checked(state[name], shape, f"{where}, {name}") for name, shape in expected.items()}


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


def _checked(value: Any, shape: Shape | None, where: str) -> Any:
    if shape is None:
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{where} is {value!r}; expected a whole number, 0 or more")
        return value
    if not isinstance(value, torch.Tensor):
        raise InputError(f"{where} is a {type(value).__name__}; expected a tensor of shape {shape}")
    fits = value.dim() == len(shape) and all(
        extent in (None, actual) for extent, actual in zip(shape, value.shape, strict=True)
    )
    if not fits:
        raise InputError(f"{where} has shape {tuple(value.shape)}; expected {shape}")
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise InputError(f"{where} holds a value that is not finite")
    return value
