import itertools

from pairwise import covering, pairs

FACTORS = {"a": (0, 1, 2), "b": (0, 1, 2), "c": (0, 1), "d": (0, 1)}


def test_every_pair_is_covered_in_few_rows():
    rows = covering(FACTORS)
    covered = set().union(*map(pairs, rows))
    # 9 + 4 * 6 + 4 pairs: ab, ac, ad, bc, bd, cd.
    assert len(covered) == 9 + 4 * 6 + 4
    # At least the nine of ab, and far fewer than all 36 rows.
    assert 9 <= len(rows) <= 14


def test_pairs_that_no_allowed_row_has_are_left_out():
    rows = covering(FACTORS, lambda row: row["a"] == 0 or row["c"] == 0)
    assert all(row["a"] == 0 or row["c"] == 0 for row in rows)
    every = [dict(zip(FACTORS, values, strict=True)) for values in itertools.product(*FACTORS.values())]
    possible = set().union(*(pairs(row) for row in every if row["a"] == 0 or row["c"] == 0))
    assert set().union(*map(pairs, rows)) == possible
