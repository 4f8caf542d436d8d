import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpap.pruning.survival import NORMALIZATIONS, normalize, survival_update

CONSTANTS = {"epsilon": 0.65, "protection": 5.0, "eta": 12.0, "gamma": 0.999}


def everyone(values):
    return torch.ones(len(values), dtype=torch.bool)


def test_linear_normalization_by_hand():
    # Range -2 to 6: (x + 2) / 8.
    x = torch.tensor([-2.0, 0.0, 2.0, 6.0])
    assert normalize(x, everyone(x), "minmax").tolist() == [0.0, 0.25, 0.5, 1.0]


def test_percentile_normalization_by_hand():
    # The 75th percentile of 0, 1, 2, 3, 100 is 3: x / 3, clipped to 1.
    x = torch.tensor([0.0, 1.0, 2.0, 3.0, 100.0])
    expected = torch.tensor([0.0, 1 / 3, 2 / 3, 1.0, 1.0])
    torch.testing.assert_close(normalize(x, everyone(x), "percentile"), expected)


def test_only_alive_units_count():
    # Without the pruned 100 the range is 0 to 4.
    x = torch.tensor([0.0, 1.0, 4.0, 100.0])
    alive = torch.tensor([True, True, True, False])
    assert normalize(x, alive, "minmax").tolist() == [0.0, 0.25, 1.0, 0.0]


@pytest.mark.parametrize("how", NORMALIZATIONS)
def test_equals_are_all_important(how):
    x = torch.full((4,), 3.0)
    alive = torch.tensor([True, True, True, False])
    assert normalize(x, alive, how).tolist() == [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("how", NORMALIZATIONS)
def test_a_layer_without_alive_units(how):
    assert normalize(torch.ones(3), torch.zeros(3, dtype=torch.bool), how).tolist() == [0.0] * 3


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30), st.sampled_from(NORMALIZATIONS))
def test_normalized_is_within_bounds_and_keeps_order(values, how):
    x = torch.tensor(values)
    normalized = normalize(x, everyone(x), how)
    assert ((normalized >= 0) & (normalized <= 1)).all()
    assert (normalized[x.argsort()].diff() >= 0).all()
    assert normalized[x.argmax()] == 1


def test_survival_by_hand():
    # Epoch 3, eta 12: exp(-0.25) = 0.7788. F = 0.999 * 10 + 0.7788 * Delta.
    # Normalized 0.2: delta = 0.4 - 0.65 = -0.25, no protection. Normalized 0.5: delta = 0.35 >= 0: 0.35 + 5.
    survival = survival_update(torch.full((2,), 10.0), torch.tensor([0.2, 0.5]), 3, **CONSTANTS)
    factor = math.exp(-0.25)
    torch.testing.assert_close(survival, torch.tensor([9.99 - 0.25 * factor, 9.99 + 5.35 * factor]))


def test_a_decay_of_exactly_zero_is_protected():
    # delta = 2 * 0.5 - 1 = 0 -> + C.
    constants = CONSTANTS | {"epsilon": 1.0}
    survival = survival_update(torch.zeros(1), torch.tensor([0.5]), 0, **constants)
    assert survival.item() == 5.0


def test_the_least_important_is_pruned_when_decay_outruns_beta():
    # Dense constants of the paper: epsilon 1.5, eta 13. A unit of importance 0 loses 1.5 exp(-e/13) an epoch:
    # F after 8 epochs is about 10 - 1.5 * sum(exp(-e/13), e < 8) = 10 - 1.5 * 6.2 > 0, after 9 below 0
    # (with gamma on top).
    survival, epochs = torch.tensor([10.0]), 0
    while survival >= 0:
        survival = survival_update(
            survival, torch.zeros(1), epochs, epsilon=1.5, protection=2.0, eta=13.0, gamma=0.999
        )
        epochs += 1
    assert epochs == 9
