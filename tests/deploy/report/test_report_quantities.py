import math

import pytest

from deploy.report.quantities import accuracy, axis_scale, compared, exact, percent, si


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    "value, unit, written",
    [
        (1.2345e-5, "J", "12.3 µJ"),
        (1e-3, "s", "1.00 ms"),
        (9.996e-7, "J", "1.00 µJ"),
        (999.4, "", "999"),
        (999.6, "", "1.00 k"),
        (123456, "", "123 k"),
        (2.5e-16, "J", "0.25 fJ"),
        (3e15, "J", "3000 TJ"),
        (0.0, "J", "0 J"),
        (0, "", "0"),
        (999, "", "999"),
        (7, "", "7"),
        (7.0, "", "7.00"),
        (-0.02, "s", "-20.0 ms"),
        (None, "J", "\N{EN DASH}"),
        (math.inf, "J", "\N{EN DASH}"),
        (math.nan, "", "\N{EN DASH}"),
    ],
)
def test_three_digits_and_a_prefix(value, unit, written):
    assert plain(si(value, unit)) == written


def test_an_axis_takes_the_prefix_of_its_largest_value():
    assert axis_scale([2e-9, 3e-6, 0.0], "J") == (pytest.approx(1e-6), "µJ")
    assert axis_scale([0.0], "J") == (1.0, "J")
    assert axis_scale([], "s") == (1.0, "s")


@pytest.mark.parametrize(
    "reference, value, written",
    [
        (5.2, 1.0, "5.20\N{MULTIPLICATION SIGN} less"),
        (1.0, 2.0, "2.00\N{MULTIPLICATION SIGN} more"),
        (1234.0, 1.0, "1234\N{MULTIPLICATION SIGN} less"),
        (1.001, 1.0, "as much"),
        (0.0, 0.0, "as much"),
        (1.0, 0.0, "\N{EN DASH}"),
    ],
)
def test_how_many_times_less(reference, value, written):
    assert compared(reference, value) == written


def test_shares_and_counts():
    assert plain(percent(0.8534)) == "85.3 %"
    assert plain(accuracy(0.99463)) == "99.46 %"
    assert percent(None) == "\N{EN DASH}"
    assert exact(1234567) == "1,234,567"
