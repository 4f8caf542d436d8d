import pytest
import torch

import dpap
from dpap.plasticity.ranges import SpineRanges


def ranges(weight, bound=1.0):
    made = SpineRanges(torch.tensor(weight))
    made.upper.fill_(bound)
    made.lower.fill_(-bound)
    return made


def follow(made, *epochs, patience=2, shrink=0.75):
    for weight in epochs:
        made.update(torch.tensor(weight), patience, shrink)


def test_at_first_the_largest_magnitude_of_the_layer():
    made = SpineRanges(torch.tensor([[0.5, -2.0], [1.0, 0.0]]))
    assert made.upper.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert made.lower.tolist() == [[-2.0, -2.0], [-2.0, -2.0]]
    assert made.width().tolist() == [[4.0, 4.0], [4.0, 4.0]]


def test_a_bound_moves_out_by_the_mean_overshoot():
    # Beyond 1 by 0.5 and 1.5 in two epochs in a row: out by 1. Beyond -1 by -0.25 twice: out by 0.25.
    made = ranges([0.0, 0.0])
    follow(made, [1.5, -1.25])
    assert made.upper.tolist() == [1.0, 1.0]
    follow(made, [2.5, -1.25])
    assert made.upper.tolist() == [2.0, 1.0]
    assert made.lower.tolist() == [-1.0, -1.25]
    # The count starts again: one more epoch beyond changes nothing.
    follow(made, [9.0, -9.0])
    assert made.upper.tolist() == [2.0, 1.0]
    assert made.beyond.tolist() == [1, -1]


@pytest.mark.parametrize("interruption", [0.5, 1.0, -1.5])
def test_only_epochs_in_a_row_count(interruption):
    # Within, at the bound, or beyond the other one.
    made = ranges([0.0])
    follow(made, [1.5], [interruption], [1.5])
    assert made.upper.item() == 1.0
    follow(made, [1.7])
    # Mean of 0.5 and 0.7.
    assert made.upper.item() == pytest.approx(1.6)


def test_a_weight_that_shrinks_shrinks_its_range():
    # Magnitudes 0.8, 0.6, 0.5: shrank twice in a row: 0.75 of both bounds.
    made = ranges([0.8, -0.8, 0.8])
    follow(made, [0.6, -0.6, 0.6])
    assert made.upper.tolist() == [1.0] * 3
    follow(made, [-0.5, -0.5, 0.6])
    assert made.upper.tolist() == [0.75, 0.75, 1.0]
    assert made.lower.tolist() == [-0.75, -0.75, -1.0]
    assert made.shrinking.tolist() == [0, 0, 0]
    follow(made, [0.4, -0.6, 0.5])
    assert made.shrinking.tolist() == [1, 0, 1]


def test_a_pruned_weight_stays_as_it_is():
    made = ranges([0.5])
    follow(made, *([[0.0]] * 5))
    # It shrank once, when it was pruned.
    assert (made.upper.item(), made.lower.item()) == (1.0, -1.0)


def test_weights_are_clamped_in_place():
    made = ranges([0.0] * 3)
    made.upper[1] = 0.25
    weight = torch.tensor([1.5, 0.5, -3.0])
    made.clamp(weight)
    assert weight.tolist() == [1.0, 0.25, -1.0]


def test_the_state_is_checked():
    made = ranges([0.5, 0.25])
    follow(made, [1.5, 0.1])
    other = ranges([0.0, 0.0])
    other.load_state_dict(made.state_dict(), "fc1, ranges")
    assert all(torch.equal(other.state_dict()[name], value) for name, value in made.state_dict().items())
    with pytest.raises(dpap.InputError, match="fc1, ranges: the state lacks upper"):
        other.load_state_dict({k: v for k, v in made.state_dict().items() if k != "upper"}, "fc1, ranges")
