"""Validated fields for names of a registry, and suggestions for names nearly right."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import AfterValidator, BeforeValidator

from dpap.errors import InputError

_ALIKE = 0.6
"""Share of letters in common from which on a name is suggested (:func:`difflib.get_close_matches`)."""


def known_by(check: Callable[[str], Any]) -> AfterValidator:
    """A validator of names: those that ``check`` does not refuse with an ``InputError``."""

    def known(name: str) -> str:
        try:
            check(name)
        except InputError as error:
            raise ValueError(str(error)) from error
        return name

    return AfterValidator(known)


def by_name(tag: str, default: str | None = None) -> BeforeValidator:
    """A validator of what has kinds: its kind's name alone stands for that kind with its defaults.

    Parameters
    ----------
    tag : str
        The field that names the kind, as ``kind`` of encoders.
    default : str, optional
        The kind of fields that name none.
    """

    def whole(value: Any) -> Any:
        if isinstance(value, str):
            return {tag: value}
        return {tag: default, **value} if default is not None and isinstance(value, dict) else value

    return BeforeValidator(whole)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None where none is near.

    That is the same in other letters (``MNIST``), one whose initials it is (``lr`` of ``learning_rate``), or
    one that is spelt alike (``minst``).
    """
    names = list(known)
    folded = {_folded(one): one for one in reversed(names)}
    wanted = _folded(name)
    if wanted in folded:
        return folded[wanted]
    by_initials = [one for one in names if len(wanted) > 1 and wanted == _initials(one)]
    if by_initials:
        return by_initials[0]
    alike = difflib.get_close_matches(wanted, folded, n=1, cutoff=_ALIKE)
    return folded[alike[0]] if alike else None


def suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    """``; did you mean 'mnist'?`` where a known name is near, to end an error with; otherwise nothing."""
    found = nearest(name, known)
    return "" if found is None else f"; did you mean {prefix + found!r}?"


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _initials(name: str) -> str:
    return "".join(word[:1] for word in _folded(name).split("_"))
