"""Pairwise covering: few rows in which every pair of values of two factors occurs."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence

Row = dict[str, object]


def covering(
    factors: Mapping[str, Sequence[object]],
    allowed: Callable[[Row], bool] = lambda row: True,
    seed: int = 0,
    candidates: int = 400,
) -> list[Row]:
    """Rows that together contain every pair of values that some allowed row contains.

    Greedy: of random allowed rows around a pair that is not covered yet, the one that covers most new pairs
    is taken.

    Parameters
    ----------
    factors : mapping of str to sequence
        Values of each factor.
    allowed : callable
        Whether a whole row makes sense.
    seed : int
    candidates : int
        Random rows that are tried for each pair.
    """
    draw = random.Random(seed)
    wanted = {
        pair
        for one, other in itertools.combinations(factors, 2)
        for pair in itertools.product(
            [(one, value) for value in factors[one]], [(other, value) for value in factors[other]]
        )
    }
    rows: list[Row] = []
    for pair in sorted(wanted, key=repr):
        if pair not in wanted:
            continue
        tried = [
            row
            for _ in range(candidates)
            if allowed(row := {name: draw.choice(values) for name, values in factors.items()} | dict(pair))
        ]
        if not tried:
            # No row that makes sense has this pair.
            wanted.discard(pair)
            continue
        best = max(tried, key=lambda row: len(pairs(row) & wanted))
        wanted -= pairs(best)
        rows.append(best)
    return _most_first(rows)


def _most_first(rows: list[Row]) -> list[Row]:
    """The same rows in an order in which the first of them cover as much as they can."""
    left, ordered, covered = list(rows), [], set()
    while left:
        best = max(left, key=lambda row: len(pairs(row) - covered))
        left.remove(best)
        covered |= pairs(best)
        ordered.append(best)
    return ordered


def pairs(row: Row) -> set[tuple]:
    """All pairs of values of a row."""
    return set(itertools.combinations(row.items(), 2))
