"""The search for how much to prune."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpap.pruning.drop_search import ATTEMPTS, DropSearch


def test_it_grows_and_shrinks_in_proportion():
    # Of 100 a drop of 10 was predicted, and the value fell by 8 % instead of 10 %: 10 * 10 / 8.
    assert DropSearch(100).next_drop(10, few=True, fell=0.08, wanted=0.1) == pytest.approx(12.5)
    # It fell by 40 % instead of 10 %: a quarter.
    assert DropSearch(100).next_drop(10, few=False, fell=0.4, wanted=0.1) == pytest.approx(2.5)
    # It rose: twice as many.
    assert DropSearch(100).next_drop(10, few=True, fell=-0.1, wanted=0.1) == 20
    # Nothing was to be pruned, and a tenth is missing.
    assert DropSearch(100).next_drop(0, few=True, fell=0, wanted=0.1) == pytest.approx(10)


def test_between_too_few_and_too_many_it_halves_and_then_takes_too_many():
    search = DropSearch(100)
    assert search.next_drop(10, few=True, fell=0.05, wanted=0.1) == 20
    assert search.next_drop(20, few=False, fell=0.2, wanted=0.1) == 15
    # Units are large: 15 cannot be had.
    assert search.next_drop(10, few=True, fell=0.05, wanted=0.1) == 20
    assert search.next_drop(20, few=False, fell=0.2, wanted=0.1) is None


def test_it_gives_up_where_no_more_can_be_pruned():
    search = DropSearch(100)
    assert search.next_drop(10, few=True, fell=0.05, wanted=0.5) == 50
    assert search.next_drop(10, few=True, fell=0.05, wanted=0.5) is None


@given(slope=st.floats(0.1, 3), wanted=st.floats(0.05, 0.9), first=st.floats(0.05, 0.9))
@settings(max_examples=100)
def test_it_finds_a_drop_that_is_enough(slope, wanted, first):
    # The value falls by slope times what is predicted, of 1; all that can be pruned is a drop of 20.
    search, drop, enough, tried = DropSearch(1.0), first, False, 0
    while drop is not None:
        drop, tried = min(drop, 20.0), tried + 1
        fell = slope * drop
        enough = fell >= wanted
        if enough and fell <= 1.02 * wanted:
            break
        drop = search.next_drop(drop, few=not enough, fell=fell, wanted=wanted)
    assert enough
    assert tried <= ATTEMPTS + 1
