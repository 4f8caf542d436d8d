"""Selection of a rank, against an ordering of everything."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpap.pruning.selection import kth_smallest


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.95, 0.999, 1.0])
@pytest.mark.parametrize(
    "transform", [torch.abs, torch.neg, torch.round, torch.zeros_like, lambda values: values.sort().values]
)
def test_rank_of_many(share, transform):
    torch.manual_seed(1)
    values = transform(torch.randn(50_000))
    rank = max(1, int(len(values) * share))
    assert kth_smallest(values, rank) == values.sort().values[rank - 1]


def test_sample_that_misleads():
    # Every value that is sampled is 0, so the bracket is [0, 0]; all others are 1 to 9.
    values = torch.arange(12_800).remainder(9).add(1).float()
    values[::128] = 0
    for rank in (1, 100, 101, 6_400, 12_800):
        assert kth_smallest(values, rank) == values.sort().values[rank - 1]


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=300), st.data())
def test_rank_of_few(values, data):
    rank = data.draw(st.integers(1, len(values)))
    assert kth_smallest(torch.tensor(values), rank) == sorted(values)[rank - 1]
