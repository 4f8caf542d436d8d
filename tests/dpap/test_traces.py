import pytest
import torch

from dpap.plasticity.traces import spiking_trace, trace_weights


def test_dense_trace_by_hand():
    # Eq. 5 with tau = 0.5 on spikes 1, 0, 1: S = 1, then 0.5, then 0.25 + 1 = 1.25.
    spikes = torch.tensor([1.0, 0.0, 1.0]).reshape(3, 1, 1)
    assert spiking_trace(spikes, 3, 0.5).item() == 1.25


def test_convolution_trace_sums_over_positions():
    # Eq. 6: channel 0 fires at 2 positions at t=1, 1 at t=2: S = 0.5 * 2 + 1 = 2; channel 1 once at t=1: 0.5.
    spikes = torch.zeros(2, 1, 2, 2, 2)
    spikes[0, 0, 0, 0, 0] = spikes[0, 0, 0, 1, 1] = spikes[1, 0, 0, 0, 1] = 1
    spikes[0, 0, 1, 1, 0] = 1
    assert spiking_trace(spikes, 2, 0.5).tolist() == [[2.0, 0.5]]


def test_one_step_stands_for_the_same_at_every_step():
    inputs = torch.rand(1, 4, 3)
    torch.testing.assert_close(spiking_trace(inputs, 6, 0.5), spiking_trace(inputs.expand(6, 4, 3), 6, 0.5))


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_weighted_sum_equals_the_recursion(tau):
    spikes = (torch.rand(9, 5, 7) < 0.4).float()
    trace = torch.zeros(5, 7)
    for step in spikes:
        trace = tau * trace + step
    torch.testing.assert_close(spiking_trace(spikes, 9, tau), trace)


def test_weights_of_a_trace():
    assert trace_weights(3, 0.5).tolist() == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    "shape", [(5, 3, 7), (5, 3, 2, 4, 6), (1, 3, 7), (1, 3, 2, 4, 6), (5, 0, 7), (5, 2, 5000)]
)
def test_compiled_traces_are_those_of_torch(shape):
    activity = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    # In float64 torch computes them.
    expected = spiking_trace(activity.double(), 5, 0.5)
    torch.testing.assert_close(spiking_trace(activity, 5, 0.5), expected.float())
