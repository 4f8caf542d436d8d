"""States of optimisers and schedules that come from files: checked before anything is taken over."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dpap.errors import InputError
from dpap.state import MOST_COUNT, check_keys

_RATES = ("lr", "_last_lr")
_COUNTS = ("last_epoch", "_step_count")
"""What changes from epoch to epoch; all else follows from the configuration."""


def check_optimizer_state(state: Any, optimizer: Optimizer) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless a state is one of this optimiser.

    Its groups have the optimiser's settings, and its tensors the shapes and types of the parameters.
    """
    where, own = "optimizer", optimizer.state_dict()
    check_keys(state, own, where)
    groups, expected = state["param_groups"], own["param_groups"]
    _check_length(groups, expected, f"{where}, param_groups")
    for index, (group, wanted) in enumerate(zip(groups, expected, strict=True)):
        _check_settings(group, wanted, f"{where}, param_groups, {index}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not isinstance(state["state"], Mapping):
        raise InputError(f"{where}: the state is a {type(state['state']).__name__}; expected a mapping")
    # SGD keeps None where there is no momentum.
    names = {"momentum_buffer"} if "momentum" in expected[0] else {"step", "exp_avg", "exp_avg_sq"}
    for index, kept in state["state"].items():
        if type(index) is not int or not 0 <= index < len(parameters):
            raise InputError(f"{where}: the state is of parameter {index!r}; there are {len(parameters)}")
        check_keys(kept, dict.fromkeys(names), f"{where}, {index}")
        for name in names:
            if name != "momentum_buffer" or kept[name] is not None:
                _check_tensor(kept[name], name, parameters[index], f"{where}, {index}, {name}")


def check_schedule_states(states: Any, schedules: list[LRScheduler]) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless states are those of these schedules."""
    _check_length(states, schedules, "schedules")
    for index, (state, schedule) in enumerate(zip(states, schedules, strict=True)):
        _check_settings(state, schedule.state_dict(), f"schedules, {index}")


def _check_length(values: Any, expected: list, where: str) -> None:
    if not isinstance(values, list) or len(values) != len(expected):
        raise InputError(f"{where}: expected a list of {len(expected)}")


def _check_settings(state: Any, expected: Mapping[str, Any], where: str) -> None:
    check_keys(state, expected, where)
    for name, wanted in expected.items():
        value = state[name]
        if name in _RATES:
            rates = value if isinstance(value, list) else [value]
            if isinstance(value, list) != isinstance(wanted, list) or not all(map(_is_rate, rates)):
                raise InputError(f"{where}, {name}: expected learning rates, finite and 0 or more")
            if isinstance(wanted, list) and len(value) != len(wanted):
                raise InputError(f"{where}, {name}: expected {len(wanted)} learning rates")
        elif name in _COUNTS:
            if type(value) is not int or not 0 <= value <= MOST_COUNT:
                raise InputError(f"{where}, {name}: expected a whole number, 0 or more")
        elif type(value) is not type(wanted) or value != wanted:
            raise InputError(f"{where}, {name}: expected {wanted!r}, as the configuration says")


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST_COUNT and math.isfinite(value)


def _check_tensor(value: Any, name: str, parameter: torch.Tensor, where: str) -> None:
    shape, dtype = ((), torch.float32) if name == "step" else (tuple(parameter.shape), parameter.dtype)
    if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape or value.dtype != dtype:
        raise InputError(f"{where}: expected a tensor of {dtype}, of shape {shape}")
    if not bool(torch.isfinite(value).all()) or (name in ("step", "exp_avg_sq") and bool((value < 0).any())):
        raise InputError(f"{where} holds values that it cannot have")
