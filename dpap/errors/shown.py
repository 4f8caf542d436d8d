"""Formatting of values in errors."""

import reprlib
from typing import Any

_WRITTEN_BITS = 1 << 10
"""Python refuses to write out ints of many more."""


class _Shortener(reprlib.Repr):
    """Shortens within containers too: what a file nests and repeats may have no end."""

    def __init__(self, most: int):
        super().__init__()
        self.maxlevel, self.maxdict = 2, 3
        self.maxstring = self.maxother = self.maxlong = most

    def repr_int(self, value: int, level: int) -> str:
        """Of an enormous int, only its length."""
        if value.bit_length() > _WRITTEN_BITS:
            return f"an int of {value.bit_length()} bits"
        return super().repr_int(value, level)


def shown(value: Any, most: int = 60) -> str:
    """The ``repr`` of a value from a file, shortened to about ``most`` characters."""
    text = _Shortener(most).repr(value)
    return text if len(text) < most else f"{text[: most - 3]}..."
