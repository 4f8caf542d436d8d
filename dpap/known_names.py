"""Fields of configurations that name something there is."""

from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator

from dpap.errors import InputError


def known_by(check: Callable[[str], Any]) -> AfterValidator:
    """A validator of names: those that ``check`` does not refuse with an ``InputError``."""

    def known(name: str) -> str:
        try:
            check(name)
        except InputError as error:
            raise ValueError(str(error)) from error
        return name

    return AfterValidator(known)
