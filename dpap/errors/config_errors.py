"""Errors of a configuration, in the terms of its file."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from dpap.errors.known_names import suggestion
from dpap.errors.shown import shown

SAID = 5
"""Errors that are named; of more, the number."""

_EXPECTED = {"tuple_type": "expected a list", "model_type": "expected fields with their values"}
"""What pydantic says in Python's terms, in those of a YAML file, by the type of its error."""


def explained(error: ValidationError, model: type[BaseModel], raw: Any) -> str:
    """One line on everything that is wrong: field, value and what was expected.

    Parameters
    ----------
    error : ValidationError
    model : type
        What the fields were to become; its fields are suggested for one nearly right.
    raw
        The fields that were validated.
    """
    # Each member of a union has errors of its own.
    said = list(dict.fromkeys(_one(each, model, raw) for each in error.errors()))
    more = len(said) - SAID
    return "; ".join(said[:SAID]) + (f" (and {more} more)" if more > 0 else "")


def located(location: tuple, raw: Any) -> tuple[list, Any]:
    """Keys and value in a file for a location of pydantic's, which has tags of unions too."""
    keys, value = [], raw
    for index, key in enumerate(location):
        last = index == len(location) - 1
        if isinstance(value, dict) and key in value:
            keys.append(key)
            value = value[key]
        elif key == "[key]":
            value = location[index - 1]
        elif isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
            keys.append(key)
            value = value[key]
        elif last:
            keys.append(key)
            value = None
    return keys, value


def _one(error: Mapping[str, Any], model: type[BaseModel], raw: Any) -> str:
    keys, _ = located(error["loc"], raw)
    name = ".".join(str(part) for part in keys)
    said_by_pydantic = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = _EXPECTED.get(error["type"], said_by_pydantic)
    if error["type"] == "value_error":
        return f"{name}: {message}" if name else message
    if error["type"] == "extra_forbidden":
        *parents, last = (str(part) for part in keys)
        prefix = "".join(f"{part}." for part in parents)
        return f"{name} is not a field" + suggestion(last, _fields(model, parents), prefix)
    text = "null" if error["input"] is None else shown(error["input"])
    return f"{name or 'it'} is {text}; {message}"


def _fields(model: Any, parents: list[str]) -> list[str]:
    """Fields of a section of a model, by the names that lead to it; of a union, those of all members."""
    if not parents:
        own = getattr(model, "model_fields", {})
        return [*own, *(name for part in _parts(model) for name in _fields(part, []))]
    field = getattr(model, "model_fields", {}).get(parents[0])
    if field is not None:
        return _fields(field.annotation, parents[1:])
    return [name for part in _parts(model) for name in _fields(part, parents)]


def _parts(annotation: Any) -> tuple[Any, ...]:
    return () if isinstance(annotation, type) and issubclass(annotation, BaseModel) else get_args(annotation)
