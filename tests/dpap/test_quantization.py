import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dpap import NetworkError
from dpap.neurons import LIF
from dpap.neurons.parameters import SUM_LIMIT, THRESHOLD_LIMIT
from dpap.quantization.scaling import (
    WeightExtent,
    state_gain,
    threshold_mantissa,
    weight_extents,
    weight_scale,
)
from dpap.quantization.straight_through import quantize_weight

BINARY = {"input_bound": 1, "input_divisor": 1, "time_steps": 8, "name": "fc1"}


def test_weights_use_their_eight_bits():
    # max|w| = 0.5 and the 8-bit limit 254: scale 508, so 0.5 -> 254.
    weight = torch.tensor([[0.5, -0.25, 0.1]])
    scale = weight_scale(weight, LIF(), **BINARY)
    assert scale == pytest.approx(508)
    # 0.1 * 508 = 50.8 -> 2 * round(25.4) = 50; -127 / 2 = -63.5 rounds to the even -64 -> -128.
    assert quantize_weight(weight, scale).tolist() == [[254, -128, 50]]
    assert threshold_mantissa(LIF(), scale, 1) == 254


def test_all_zero_layer_has_a_scale():
    scale = weight_scale(torch.zeros(3, 4), LIF(), **BINARY)
    assert np.isfinite(scale)
    assert threshold_mantissa(LIF(), scale, 1) <= THRESHOLD_LIMIT


def test_large_inputs_bound_the_scale():
    # 4 weights of 1 with inputs up to 255: 4 * 255 s <= 131071 gives s <= 128.5; 8 bits allow 254. They round
    # to 128, and 4 * 128 * 255 = 130,560 fits, so that nothing is charged for rounding.
    weight = torch.ones(1, 4)
    bounds = {"input_bound": 255, "input_divisor": 255, "time_steps": 8, "name": "conv1"}
    scale = weight_scale(weight, LIF(), **bounds)
    assert scale == pytest.approx((SUM_LIMIT - 1) / 255 / 4)
    assert quantize_weight(weight, scale).unique().tolist() == [128]


def test_rounding_is_charged_where_it_adds_up():
    # Equal weights round alike, so that sums jump by 2 for each synapse; scales are tried on rounded weights.
    for count in (3, 7, 50, 333):
        weight = torch.full((1, count), 0.7531)
        bounds = {"input_bound": 255, "input_divisor": 255, "time_steps": 8, "name": "x"}
        scale = weight_scale(weight, LIF(), **bounds)
        total = quantize_weight(weight, scale).sum().item() * 255
        assert total < SUM_LIMIT
        # No more than a step for each synapse is left over.
        assert total + 2 * count * 255 > min(SUM_LIMIT - 1, 254 * count * 255)


@pytest.mark.parametrize(
    ("current_decay", "voltage_decay", "expected"),
    # 1 / (1 - keep); without decay the number of steps.
    [(1.0, 1.0, (1, 1)), (0.5, 1.0, (2, 2)), (0.5, 0.25, (2, 8)), (0.0, 1.0, (10, 10)), (1.0, 0.0, (1, 10))],
)
def test_state_gain(current_decay, voltage_decay, expected):
    neuron = LIF(current_decay=current_decay, voltage_decay=voltage_decay)
    assert state_gain(neuron, time_steps=10) == pytest.approx(expected)


@settings(max_examples=80)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 200)),
        elements=st.floats(-50, 50, width=32),
    ),
    st.sampled_from([1, 4, 16, 255]),
    st.floats(0.05, 1.0),
)
def test_no_current_can_leave_24_bits(weight, bound, current_decay):
    neuron = LIF(current_decay=current_decay)
    weight = torch.from_numpy(weight)
    steps = 12
    scale = weight_scale(weight, neuron, input_bound=bound, input_divisor=bound, time_steps=steps, name="x")
    integers = quantize_weight(weight, scale).long()
    assert integers.abs().max() <= 254
    assert not (integers % 2).any()
    # The worst inputs of all: the largest on every positive (negative) weight, at every step.
    worst = torch.stack([integers.clamp(min=0).sum(1), integers.clamp(max=0).sum(1)]) * bound
    u = torch.zeros_like(worst)
    for _ in range(steps):
        u = u.sign() * ((u.abs() * neuron.current_keep) >> 12) + (worst << 6)
        assert u.abs().max() < 1 << 23


def test_the_order_of_a_sum_does_not_move_an_integer():
    # A layer like the paper's first dense one, whose scale fills the 17 bits.
    torch.manual_seed(0)
    bounds = {"input_bound": 4, "input_divisor": 4, "time_steps": 8, "name": "fc1"}
    for _ in range(6):
        weight = torch.rand(200, 1960) - 0.5
        order = torch.randperm(1960)
        one, other = (weight_scale(tensor, LIF(), **bounds) for tensor in (weight, weight[:, order]))
        assert one < 254 / weight.abs().max().item()
        assert torch.equal(quantize_weight(weight, one), quantize_weight(weight, other))
        assert one == pytest.approx(other, rel=1e-12)


def test_refuses_weights_that_are_not_finite():
    with pytest.raises(NetworkError, match="fc1: a weight is nan"):
        weight_scale(torch.tensor([[float("nan"), 1.0]]), LIF(), **BINARY)


def test_gradient_passes_straight_through():
    weight = torch.tensor([[0.3, -0.7]], requires_grad=True)
    quantize_weight(weight, 100.0).backward(torch.tensor([[2.0, 3.0]]))
    # d(integer)/d(real) = scale.
    assert weight.grad.tolist() == [[200.0, 300.0]]


def test_extents_of_several_weights_at_once():
    weights = [
        torch.tensor([[0.5, -0.25], [-2.0, 0.25]]),
        torch.zeros(0, 3),
        torch.zeros(2, 3),
        torch.zeros(4, 0),
    ]
    first, *empty = weight_extents(weights)
    # Rows: 0.5 and 0.25 up, 0.25 and 2 down.
    assert first == WeightExtent(largest=2.0, positive=0.5, negative=2.0)
    assert empty == [WeightExtent()] * 3
    weight = weights[0]
    assert weight_scale(weight, LIF(), **BINARY) == weight_scale(weight, LIF(), **BINARY, extent=first)
    # The extent is believed: twice the weights, half the scale.
    double = WeightExtent(largest=4.0, positive=1.0, negative=4.0)
    halved = weight_scale(weight, LIF(), **BINARY, extent=double)
    assert halved == pytest.approx(weight_scale(weight, LIF(), **BINARY) / 2)
    assert weight_extents([]) == []
