"""A configuration for another number of epochs: all that is given in epochs keeps its share of them."""

from collections.abc import Callable, Mapping
from typing import Any

_LEAST = {
    "training.warm_up": 0,
    "training.frozen_statistics": 0,
    "pruning.target.epochs": 1,
    "pruning.schedule.warm_up": 0,
    "pruning.schedule.freeze": 1,
    "sdsnn.patience": 1,
    "sdsnn.freeze": 1,
    "sdsnn.conv.late_from": 0,
    "sdsnn.dense.late_from": 0,
}
"""Fields in epochs, and the least that each is scaled to."""


def scale_epochs(fields: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    r"""Values of the fields that are to change with the number of epochs, by name with dots.

    A field :math:`v` of a configuration of :math:`E` epochs becomes :math:`v\,e / E`, rounded, for :math:`e`;
    parts of a schedule (``training.brief``, ``training.cycles``) are rounded at their ends, so that they last
    as long together, and those that come to nothing are left out.

    Parameters
    ----------
    fields : mapping
        As of :func:`dpap.training.run_config.read_run_config`; only what it gives is scaled.
    epochs : int
        Instead of its ``training.epochs``. Where it gives none, or the same, nothing changes.
    """
    before = _get(fields, "training.epochs")
    if type(before) is not int or before < 1 or epochs == before:
        return {}

    def scaled(value: int) -> int:
        # Halves upwards; Python's round would take them to the even number.
        return (2 * value * epochs + before) // (2 * before)

    changes: dict[str, Any] = {}
    for name, least in _LEAST.items():
        value = _get(fields, name)
        if type(value) is int and value >= 0:
            changes[name] = min(epochs, max(least, scaled(value)))
    brief = _get(fields, "training.brief")
    if _are_entries(brief, lambda part: isinstance(part, Mapping) and type(part.get("epochs")) is int):
        lengths = _lengths([part["epochs"] for part in brief], scaled)
        changes["training.brief"] = [
            {**part, "epochs": length} for part, length in zip(brief, lengths, strict=True) if length
        ]
    cycles = _get(fields, "training.cycles")
    if _are_entries(cycles, lambda length: type(length) is int):
        changes["training.cycles"] = [length for length in _lengths(cycles, scaled) if length]
    return {name: value for name, value in changes.items() if value != _get(fields, name)}


def _lengths(parts: list[int], scaled: Callable[[int], int]) -> list[int]:
    ends = [scaled(sum(parts[: index + 1])) for index in range(len(parts))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _are_entries(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(check(entry) for entry in value)


def _get(fields: Any, name: str) -> Any:
    for part in name.split("."):
        if not isinstance(fields, Mapping) or part not in fields:
            return None
        fields = fields[part]
    return fields
