"""Each block by itself: answers worked out by hand, and gradients against autograd of a plain loop."""

import pytest
import torch
from plain_loop import plain_lif

import dpap
from dpap.blocks import Addition, Conv, Delay, Dense, Dropout, MaxPool, Recurrent, SpikingPool, SumPool

PLANE = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).view(1, 1, 1, 3, 3)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (MaxPool(2), [[5.0]]),
        (MaxPool(2, 1), [[5, 6], [8, 9]]),
        (MaxPool((1, 3)), [[3], [6], [9]]),
        (MaxPool(3, 2, 1), [[5, 6], [8, 9]]),
        (SumPool(2), [[12]]),
        (SumPool(2, 1), [[12, 16], [24, 28]]),
        (SumPool((3, 1)), [[12, 15, 18]]),
        # Corners of 2 x 2 inside a border of zeros.
        (SumPool(3, 2, 1), [[12, 16], [24, 28]]),
    ],
)
def test_pools_without_neurons(pool, expected):
    assert pool(PLANE)[0, 0, 0].tolist() == expected
    assert pool.output_shape("pool1", (1, 3, 3)) == (1, len(expected), len(expected[0]))
    stock = getattr(dpap.slayer, type(pool).__name__)(pool.window, pool.stride, pool.padding)
    assert stock(PLANE[0].unsqueeze(-1))[0, 0, ..., 0].tolist() == expected


def test_a_maximums_gradient_goes_to_the_first_that_fired():
    inputs = torch.tensor([[0.0, 1], [1, 0]]).view(1, 1, 1, 2, 2).requires_grad_()
    MaxPool(2)(inputs).sum().backward()
    assert inputs.grad.flatten().tolist() == [0, 1, 0, 0]


def test_a_spiking_pool_fires_where_the_sum_of_its_window_passes_the_threshold():
    # No leak of the voltage, threshold 2.5: the sums are 2 and 1 each step, so 2, 4 > 2.5 fires at the
    # second step, then 2 again; and 1, 2, 3 > 2.5 fires at the third.
    neuron = dpap.LIF(threshold=2.5, voltage_decay=0.0)
    pool = SpikingPool("pool1", (2, 2, 2), 2, neuron, 4)
    inputs = torch.tensor([[[1.0, 0], [0, 1]], [[0, 0], [0, 1]]]).expand(4, 1, 2, 2, 2)
    assert pool(inputs)[:, 0, :, 0, 0].tolist() == [[0, 0], [1, 0], [0, 1], [1, 0]]
    assert not pool.prunable
    assert not pool.weight.requires_grad


def test_a_spiking_pool_with_stride_padding_and_extra_zeros():
    neuron = dpap.LIF(threshold=5.5)
    pool = SpikingPool("pool1", (1, 3, 3), 2, neuron, 1, stride=2, padding=(0, 1), extra=(1, 0))
    # Of columns (-, 0), (1, 2) and rows (0, 1), (2, -): 1 + 4 = 5, 2 + 3 + 5 + 6; 7, 8 + 9.
    assert pool.output_shape == (1, 2, 2)
    assert pool(PLANE)[0, 0, 0].tolist() == [[0, 1], [1, 1]]


def test_delays_by_hand():
    delay = Delay(3, 4)
    delay.delay.data = torch.tensor([0.9, 2.0, 9.0])
    inputs = torch.tensor([[1.0, 2, 3]] * 5).add(torch.arange(5)[:, None] * 10).view(5, 1, 3)
    # 9 steps are 4 at most; fractions are dropped; what would come after the last step is lost.
    expected = [[1, 0, 0], [11, 0, 0], [21, 2, 0], [31, 12, 0], [41, 22, 3]]
    assert delay(inputs)[:, 0].tolist() == expected
    assert delay.steps.tolist() == [0, 2, 4]
    assert delay.delay[2] == 4


@pytest.mark.parametrize("highest", [0, 63])
def test_delays_out_of_range_are_refused(highest):
    with pytest.raises(dpap.NetworkError, match=f"delays of up to {highest} steps; expected 1 to 62"):
        Delay(3, highest)


def test_dropout_drops_its_share_for_all_steps_and_scales_the_rest():
    torch.manual_seed(0)
    dropout = Dropout(0.25)
    outputs = dropout(torch.ones(6, 40, 100))
    assert outputs.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(outputs, outputs[:1].expand(6, -1, -1))
    # 4000 neurons: the share of the dropped has a standard deviation of 0.007.
    assert (outputs == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert not torch.equal(outputs[0, 0], outputs[0, 1])
    assert torch.equal(dropout.eval()(torch.ones(2, 3)), torch.ones(2, 3))
    assert torch.equal(Dropout(0.0)(torch.ones(2, 3)), torch.ones(2, 3))


@pytest.mark.parametrize("probability", [-0.1, 0.96, float("nan")])
def test_dropout_out_of_range_is_refused(probability):
    with pytest.raises(dpap.NetworkError, match=r"expected a probability from 0 to 0\.95"):
        Dropout(probability)


def test_an_addition_lets_one_step_stand_for_all():
    spikes = torch.tensor([[[0.0, 1]], [[1, 1]]])
    assert Addition()(spikes, torch.tensor([[[2.0, 3]]]), spikes).tolist() == [[[2, 5]], [[4, 5]]]


NEURONS = [
    dpap.LIF(current_decay=0.25, voltage_decay=0.5, surrogate="arctan"),
    dpap.LIF(current_decay=1.0, voltage_decay=0.5, surrogate="fast_sigmoid"),
]


def synaptic(kind, neuron, steps, **options):
    torch.manual_seed(3)
    if kind == "conv":
        block = Conv(
            "conv1",
            (2, 6, 5),
            4,
            (3, 2),
            neuron,
            steps,
            1,
            stride=(2, 1),
            dilation=(1, 2),
            groups=2,
            **options,
        )
    else:
        block = {"dense": Dense, "recurrent": Recurrent}[kind]("fc1", 12, 7, neuron, steps, **options)
    block.weight.data += 0.2 * block.weight.data.abs()
    block.weight.data.mul_(2.5)
    if block.bias is not None:
        block.bias.data.uniform_(-0.2, 0.4)
    return block


def plain_synapse(block, weight):
    if isinstance(block, Conv):
        return lambda x, s: torch.nn.functional.conv2d(
            x, weight, None, block.stride, block.padding, block.dilation, block.groups
        )
    if isinstance(block, Recurrent):
        return lambda x, s: torch.cat([x, torch.zeros(len(x), 7).to(x) if s is None else s], 1) @ weight.T
    return lambda x, s: x @ weight.T


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("kind", ["conv", "dense", "recurrent"])
def test_gradients_equal_autograd_of_the_plain_loop(kind, static, neuron):
    steps = 4
    block = synaptic(kind, neuron, steps, bias=True)
    torch.manual_seed(4)
    inputs = torch.randint(0, 2, (1 if static else steps, 5, *block.input_shape)).float().requires_grad_()
    spikes = block(inputs)
    grad = torch.randn(spikes.shape)
    spikes.backward(grad)
    # The same in real numbers: the integers over their scale.
    integers = block.integer_parameters()
    weight = (integers.weight / integers.scale).detach().double().requires_grad_()
    bias = (integers.bias / integers.scale).detach().double().requires_grad_()
    plain = inputs.detach().double().requires_grad_()
    level = neuron.model_copy(update={"threshold": integers.threshold / integers.scale})
    shaped = bias.view(-1, 1, 1) if kind == "conv" else bias
    expected = plain_lif(plain_synapse(block, weight), plain.expand(steps, *plain.shape[1:]), level, shaped)
    assert 0.05 < spikes.mean() < 0.95
    assert torch.equal(spikes.double(), expected)
    expected.backward(grad.double())
    # Integer states truncate what decays: at most one part in 4096 of a threshold here.
    for ours, theirs in ((block.weight, weight), (block.bias, bias), (inputs, plain)):
        assert theirs.grad.abs().max() > 0
        torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=2e-3, atol=2e-3)


def test_a_recurrent_layer_receives_its_own_spikes_a_step_later():
    # Inputs drive neuron 0 alone; it drives neuron 1, which silences neuron 0. Threshold 0.5, no memory.
    neuron = dpap.LIF(voltage_decay=1.0)
    block = Recurrent("fc1", 1, 2, neuron, 5)
    block.weight.data = torch.tensor([[1.0, 0, -2], [0, 1, 0]])
    shown = []
    block.watch(lambda inputs, activity: shown.append(inputs))
    spikes = block(torch.ones(1, 1, 1))
    assert spikes[:, 0].tolist() == [[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]]
    assert shown[0][:, 0].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1], [1, 0, 0]]
