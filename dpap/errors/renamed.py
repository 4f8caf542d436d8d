"""Names that were changed: the old ones still work, with a warning that gives the new one."""

import functools
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _warn(old: str, new: str, stacklevel: int) -> None:
    warnings.warn(f"{old} has a new name: use {new}", DeprecationWarning, stacklevel=stacklevel + 1)


def old_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module in which some names were changed.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    names : dict of str to str
        New names by the old ones.

    Raises
    ------
    AttributeError
        From the function returned: the module has no such name, and had none.
    """

    def getattr_(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(f"{module}.{name}", f"{module}.{names[name]}", 2)
        return getattr(import_module(module), names[name])

    return getattr_


def old_property(old: str, new: str) -> property:
    """A property ``old`` that gives the attribute ``new`` of the same object."""

    def get(instance: Any) -> Any:
        kind = type(instance).__name__
        _warn(f"{kind}.{old}", f"{kind}.{new}", 2)
        return getattr(instance, new)

    return property(get, doc=f"Old name of ``{new}``.")


def old_arguments(**names: str) -> Callable[[_Function], _Function]:
    """Let a function also take keyword arguments by their old names: ``old="new"``."""

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            for old in names.keys() & options.keys():
                _warn(f"{function.__qualname__}({old}=...)", f"{names[old]}=...", 2)
                options[names[old]] = options.pop(old)
            return function(*args, **options)

        return cast(_Function, call)

    return decorate
