"""How numbers are written: three digits and an SI prefix, everywhere in the report."""

import math
from collections.abc import Iterable

import numpy as np

NO_BREAK = "\N{NO-BREAK SPACE}"
TIMES = "\N{MULTIPLICATION SIGN}"
MISSING = "\N{EN DASH}"
"""Stands for a value that is not known or not defined."""

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def si(value: float | None, unit: str = "") -> str:
    """Three significant digits with an SI prefix: ``si(1.234e-5, "J")`` is ``12.3 µJ``.

    Whole numbers below 1000 without a unit are counts and stay as they are; what is missing or not finite is
    a dash.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return f"0{NO_BREAK}{unit}".rstrip(NO_BREAK)
    if not unit and isinstance(value, int | np.integer) and abs(value) < 1000:
        return str(value)
    # Rounded first, so that 999.9 becomes 1.00 k and not 1000.
    rounded = float(f"{value:.2e}")
    exponent = _prefix_exponent(rounded)
    scaled = rounded / 10.0**exponent
    digits = max(0, 2 - max(0, math.floor(math.log10(abs(scaled)) + 1e-9)))
    return f"{scaled:.{digits}f}{NO_BREAK}{_PREFIXES[exponent]}{unit}".rstrip(NO_BREAK)


def axis_scale(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Divisor and prefixed unit that suit the largest of some values, for an axis: ``(1e-6, "µJ")``."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    exponent = _prefix_exponent(largest) if largest else 0
    return 10.0**exponent, _PREFIXES[exponent] + unit


def exact(value: int) -> str:
    """Every digit, in groups of three: ``1,234,567``."""
    return f"{value:,}"


def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction as ``85.3 %``; what is missing is a dash."""
    return MISSING if fraction is None else f"{100 * fraction:.{digits}f}{NO_BREAK}%"


def accuracy(share: float | None) -> str:
    """A share of test samples as ``99.46 %``: of 10,000 samples, each one shows."""
    return percent(share, 2)


def compared(reference: float, value: float, less: str = "less", more: str = "more") -> str:
    """How many times smaller or larger a value is than its reference: ``5.20 times less`` with a sign."""
    if not reference or not value:
        return "as much" if reference == value else MISSING
    ratio = max(reference / value, value / reference)
    written = f"{ratio:.0f}" if ratio >= 99.95 else f"{ratio:#.3g}"
    if written == "1.00":
        return "as much"
    return f"{written}{TIMES} {less if value < reference else more}"


def _prefix_exponent(value: float) -> int:
    exponent = 3 * math.floor(math.log10(abs(value)) / 3 + 1e-9)
    return min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
