import torch
from handmade_layers import HandmadeLayer

import dpap
from dpap.plasticity import SlidingThreshold, bcm, spine_plasticity
from dpap.plasticity.bcm import BCM


def test_bcm_by_hand():
    # Eq. 7, summed over two samples, theta = 1.
    # post traces 2 and 0.5, pre traces (1, 3) and (2, 0):
    #   sample 1: 2 * (2 - 1) = 2 -> (2, 6); sample 2: 0.5 * (0.5 - 1) = -0.25 -> (-0.5, 0). Sum (1.5, 6).
    pre = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    post = torch.tensor([[2.0], [0.5]])
    assert bcm(pre, post, torch.tensor([1.0])).tolist() == [[1.5, 6.0]]
    # Eq. 10: on top of what earlier batches gave.
    total = torch.tensor([[1.0, -2.0]])
    assert bcm(pre, post, torch.tensor([1.0]), total) is total
    assert total.tolist() == [[2.5, 4.0]]


def test_sliding_threshold_is_the_mean_of_all_batches():
    # Eq. 8: batch means 1, then 4: theta = 1, then (1 * 1 + 4) / 2 = 2.5; then 1: (2.5 * 2 + 1) / 3 = 2.
    threshold = SlidingThreshold(1)
    for traces, expected in ([[0.0], [2.0]], 1.0), ([[4.0]], 2.5), ([[1.0], [1.0]], 2.0):
        assert threshold.update(torch.tensor(traces)).item() == expected
    assert threshold.batches == 3


def test_each_neuron_has_its_own_threshold():
    threshold = SlidingThreshold(2)
    threshold.update(torch.tensor([[1.0, 3.0], [3.0, 5.0]]))
    assert threshold.value.tolist() == [2.0, 4.0]


def test_spine_plasticity_by_hand():
    # Eq. 11: traces of the epoch 3 and 2, BCM rows sum to 1 - 4 = -3 and 2 + 2 = 4: D = -9 and 8.
    plasticity = torch.tensor([[1.0, -4.0], [2.0, 2.0]])
    assert spine_plasticity(torch.tensor([3.0, 2.0]), plasticity).tolist() == [-9.0, 8.0]


def test_compiled_bcm_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    block = HandmadeLayer("fc1", torch.ones(4, 6))
    compiled = BCM(block, dpap.DPAPConfig())
    threshold, total, traces = SlidingThreshold(4), torch.zeros(4, 6), torch.zeros(4)
    for samples in (5, 5, 3):
        pre, post = torch.rand(samples, 6, generator=generator), torch.rand(samples, 4, generator=generator)
        compiled.gather(pre, post)
        bcm(pre, post, threshold.update(post), total)
        traces += post.sum(0)
    torch.testing.assert_close(compiled.total, total)
    torch.testing.assert_close(compiled.threshold.value, threshold.value)
    torch.testing.assert_close(compiled.trace_sum, traces)
    assert compiled.threshold.batches == 3
