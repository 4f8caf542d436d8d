import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lava.lib.dl.slayer.neuron import cuba
from plain_loop import Spike

from dpap.neurons import LIF, SURROGATES, Population, lif, lif_pool, membrane, reference
from dpap.neurons.currents import first_overflow, largest_current
from dpap.neurons.parameters import ARITHMETIC_LIMIT, DECAY_UNITY, STATE_SHIFT, VOLTAGE_LIMIT
from dpap.neurons.surrogate import derivative, derivative_torch
from dpap.slayer.bias import set_bias


def population(threshold, scale=1.0, steps=1, **neuron):
    return Population(LIF(**neuron), threshold, scale, steps)


def test_hand_worked_leak_threshold_and_reset():
    # Threshold mantissa 100: fires above 6400. Input 60 a step is 3840 in state units.
    # t=0: v = 3840. t=1: 3840 * 819 >> 12 = 767, + 3840 = 4607. t=2: 4607 * 819 >> 12 = 921 -> 4761.
    # With 100 on top at t=3: 4761 * 819 >> 12 = 951, + 160 * 64 = 10240 -> 11191 > 6400: fires, reset to 0.
    # t=4: -60 -> -3840; t=5: rtz(-3840 * 819 / 4096) = -767 (not -768), -3840 -> -4607.
    current = torch.tensor([60.0, 60, 60, 160, -60, -60]).reshape(6, 1, 1)
    spikes, voltage = membrane(current, population(100, steps=6))
    assert voltage.flatten().tolist() == [3840, 4607, 4761, 11191, -3840, -4607]
    assert spikes.flatten().tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(("current", "fires"), [(100, 0), (101, 1)])
def test_threshold_is_strict(current, fires):
    assert lif(torch.full((1, 1), float(current)), population(100)).item() == fires


decays = st.integers(0, DECAY_UNITY).map(lambda mantissa: mantissa / DECAY_UNITY)


@st.composite
def populations(draw, magnitude=4000):
    steps, neurons = draw(st.integers(1, 64)), draw(st.integers(1, 40))
    sums = draw(arrays.arrays(np.int32, (steps, neurons), elements=st.integers(-magnitude, magnitude)))
    neuron = LIF(current_decay=draw(decays), voltage_decay=draw(decays))
    return torch.from_numpy(sums.astype(np.float32)), neuron, draw(st.integers(1, 3000))


@st.composite
def biases(draw, current, magnitude=500):
    """None, or whole numbers of either sign, one a neuron."""
    neurons = current.shape[-1]
    drawn = draw(st.none() | arrays.arrays(np.int32, neurons, elements=st.integers(-magnitude, magnitude)))
    return None if drawn is None else torch.from_numpy(drawn.astype(np.float32))


@settings(max_examples=80)
@given(
    drawn=st.one_of(
        populations(), populations(magnitude=200_000), populations(magnitude=ARITHMETIC_LIMIT - 1)
    ),
    data=st.data(),
)
def test_kernel_equals_the_reference(drawn, data):
    current, neuron, threshold = drawn
    bias = data.draw(biases(current))
    # A batch of one sample: the bias belongs to the axis behind it.
    batch, neurons = current.unsqueeze(1), Population(neuron, threshold, 1.0, len(current))
    spikes, voltage = membrane(batch, neurons, bias)
    assert torch.equal(lif(batch, neurons, bias), spikes)
    expected = reference.forward(batch, neuron.current_keep, neuron.voltage_keep, threshold, bias)
    assert torch.equal(spikes, expected[0])
    assert torch.equal(voltage, expected[1])


@settings(max_examples=80)
@given(drawn=populations(magnitude=500), data=st.data())
def test_reference_equals_stock_slayer(drawn, data):
    current, neuron, threshold = drawn
    bias = data.draw(biases(current, magnitude=100))
    stock = cuba.Neuron(threshold / 64, neuron.current_decay, neuron.voltage_decay)
    assert stock.device_params["vThMant"] == threshold
    if bias is not None:
        set_bias(stock, bias)
    # SLAYER: (N, C, T), sums of weights in units of 1/64, states in units of 1/4096.
    _, voltage = stock.dynamics((current / 64).T[None])
    spikes, ours = reference.forward(current, neuron.current_keep, neuron.voltage_keep, threshold, bias)
    # SLAYER clips nothing: a neuron that Lava clips differs from there on.
    theirs = voltage[0].T * 4096
    inside = (theirs.abs() <= VOLTAGE_LIMIT).all(0)
    assert torch.equal(theirs[:, inside], ours[:, inside])
    assert torch.equal(stock.spike(voltage)[0].T[:, inside], spikes[:, inside])


def test_hand_worked_clipping_of_a_voltage_and_wrapping_of_a_current():
    # Without leak -100,000 a step is -6,400,000 in state units: -6,400,000 at t=0, and clipped at t=1, since
    # -12,800,000 is below -(2**23 - 1) = -8,388,607. 120,000 is 7,680,000: -708,607 at t=2; at t=3
    # 6,971,393, above 64 x 100,000 = 6,400,000, so it fires and is reset.
    current = torch.tensor([-100_000.0, -100_000, 120_000, 120_000, 1]).reshape(5, 1, 1)
    still = population(100_000, steps=5, voltage_decay=0.0)
    spikes, voltage = membrane(current, still)
    assert voltage.flatten().tolist() == [-6_400_000, -8_388_607, -708_607, 6_971_393, 64]
    assert spikes.flatten().tolist() == [0, 0, 0, 1, 0]
    # A current of 131,073 is 8,388,672 in state units, above 2**23 = 8,388,608: minus 2**24 it is -8,388,544.
    # Of 131,072 it is 2**23, which stays; the voltage is clipped. -131,072 comes back as 2**23.
    sums = torch.tensor([131_073.0, 131_072, -131_072, -131_071]).reshape(1, 1, 4)
    _, voltage = membrane(sums, population(131_071, voltage_decay=1.0))
    assert voltage.flatten().tolist() == [-8_388_544, 8_388_607, 8_388_607, -8_388_544]
    # 33,000,000 is 2,112,000,000, and 2,095,222,784 minus 2**24. Kept whole, with 33,000,000 more, that is
    # 4,207,222,784, in 32 bits -87,744,512, and -70,967,296 plus 2**24: the voltage is clipped below.
    sums = torch.full((2, 1, 1), 33_000_000.0)
    _, voltage = membrane(sums, population(131_071, steps=2, current_decay=0.0, voltage_decay=1.0))
    assert voltage.flatten().tolist() == [8_388_607, -8_388_607]
    assert reference.forward(sums, 4096, 0, 131_071)[1].flatten().tolist() == [8_388_607, -8_388_607]


def largest_by_hand(sums, keep):
    """In Python's own integers."""
    current, largest, first = 0, 0, None
    for step, total in enumerate(sums):
        magnitude = abs(current) * keep >> 12
        current = (magnitude if current > 0 else -magnitude) + 64 * int(total)
        largest = max(largest, abs(current))
        if first is None and abs(current) >= 1 << 23:
            first = step
    return largest / 64, first


@settings(max_examples=60)
@given(drawn=populations(magnitude=60_000))
def test_the_largest_current_and_the_first_that_overflows(drawn):
    sums, neuron, _ = drawn
    expected = [largest_by_hand(column, neuron.current_keep) for column in sums.T.tolist()]
    batch = sums.T.contiguous().T.unsqueeze(1)
    assert largest_current(batch, neuron.current_keep, len(sums)) == max(value for value, _ in expected)
    # Neurons as samples: the first sample with a current out of range is named, and its first step.
    by_sample = sums.unsqueeze(2)
    found = first_overflow(by_sample, neuron.current_keep, len(sums))
    overflowing = [(sample, step) for sample, (_, step) in enumerate(expected) if step is not None]
    assert (None if found is None else (found.sample, found.step)) == next(iter(overflowing), None)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("current_decay", [1.0, 0.4])
def test_a_bias_pools_and_learns_as_its_plain_form(constant, current_decay):
    torch.manual_seed(0)
    current = torch.randint(-40, 80, (1 if constant else 6, 2, 3, 4, 4)).float().requires_grad_()
    bias = torch.tensor([30.0, -20.0, 0.0], requires_grad=True)
    neurons = population(60, scale=60.0, steps=6, current_decay=current_decay, voltage_decay=0.3)
    pooled, counts = lif_pool(current, neurons, 2, bias)
    weights = torch.rand(pooled.shape)
    (pooled * weights).sum().backward()
    got = current.grad.clone(), bias.grad.clone()
    current.grad = bias.grad = None
    spikes = lif(current, neurons, bias)
    summed = torch.nn.functional.avg_pool2d(spikes.flatten(0, 1), 2, divisor_override=1)
    (summed.view(pooled.shape) * weights).sum().backward()
    assert torch.equal(summed.view(pooled.shape), pooled)
    assert torch.equal(spikes.sum((3, 4)), counts)
    assert 0 < spikes.mean() < 1
    assert got[1].abs().sum() > 0
    torch.testing.assert_close(got, (current.grad, bias.grad))


def test_no_time_step_and_no_neuron():
    assert lif(torch.zeros(0, 3), population(1, steps=0)).shape == (0, 3)
    assert lif(torch.zeros(4, 0), population(1, steps=4)).shape == (4, 0)


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(("current_decay", "voltage_decay"), [(1.0, 0.8), (0.25, 0.5)])
def test_gradient_equals_autograd_of_the_plain_form(surrogate, current_decay, voltage_decay):
    # Decays that are exact in 12 bits, weights and inputs such that no truncation occurs: scale 2**10 with
    # currents that are multiples of 64 keeps every decayed state whole for three steps.
    neuron = LIF(current_decay=current_decay, voltage_decay=voltage_decay, surrogate=surrogate)
    scale, steps = 1024.0, 3
    torch.manual_seed(1)
    current = (torch.randint(-12, 24, (steps, 5, 7)) * 64.0).requires_grad_()
    threshold = int(neuron.threshold * scale)
    weights = torch.randn(steps, 5, 7)
    neurons = Population(neuron, threshold, scale, steps)
    spikes = lif(current, neurons)
    voltages = membrane(current, neurons)[1]
    (spikes * weights).sum().backward()

    plain = current.detach().double().requires_grad_()
    keep_u, keep_v = neuron.current_keep / DECAY_UNITY, neuron.voltage_keep / DECAY_UNITY
    u = v = s = torch.zeros(5, 7, dtype=torch.float64)
    total = 0
    for t in range(steps):
        u = keep_u * u + plain[t] / scale
        v = keep_v * v * (1 - s) + u
        s = Spike.apply(v, neuron.threshold, 1.0, SURROGATES.index(surrogate))
        total = total + (s * weights[t]).sum()
        # The leak of 0.8 is 819/4096, with truncation: the states differ by less than a part in 10,000.
        torch.testing.assert_close(voltages[t].double() / scale / 64, v.detach(), atol=1e-4, rtol=0)
        assert torch.equal(spikes[t].double(), s.detach())
    total.backward()
    assert spikes.sum() > 0
    assert plain.grad.abs().max() > 0
    torch.testing.assert_close(current.grad.double(), plain.grad, atol=2e-6, rtol=2e-3)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_kernel_gradient_equals_the_reference(surrogate):
    neuron = LIF(surrogate=surrogate, current_decay=0.3, surrogate_width=0.7)
    torch.manual_seed(0)
    current = torch.randint(-300, 600, (6, 4, 11)).float().requires_grad_()
    neurons = Population(neuron, 200, 400.0, 6)
    spikes = lif(current, neurons)
    voltage = membrane(current, neurons)[1]
    grad = torch.randn_like(spikes)
    spikes.backward(grad)
    expected = reference.backward(
        grad,
        voltage / (400 << STATE_SHIFT),
        neuron.current_keep / DECAY_UNITY,
        neuron.voltage_keep / DECAY_UNITY,
        200 / 400,
        0.7,
        SURROGATES.index(surrogate),
    )
    assert current.grad.abs().max() > 0
    torch.testing.assert_close(current.grad, expected / 400)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(("height", "width", "window"), [(8, 8, 2), (7, 9, 2), (6, 7, 3), (5, 4, 4)])
def test_pooled_spikes_are_the_pool_of_the_spikes(constant, height, width, window):
    torch.manual_seed(2)
    neurons = population(150, 300.0, 5, current_decay=0.7)
    current = torch.randint(-200, 400, (1 if constant else 5, 3, 2, height, width)).float()
    ours, plain = current.clone().requires_grad_(), current.clone().requires_grad_()
    pooled, counts = lif_pool(ours, neurons, window)
    spikes = lif(plain, neurons)
    expected = torch.nn.functional.avg_pool2d(spikes.flatten(0, 1), window, divisor_override=1)
    assert spikes.sum() > 0
    assert torch.equal(pooled.flatten(0, 1), expected)
    assert torch.equal(counts, spikes.sum((3, 4)))
    grad = torch.randn_like(pooled)
    pooled.backward(grad)
    expected.backward(grad.flatten(0, 1))
    assert plain.grad.abs().max() > 0
    torch.testing.assert_close(ours.grad, plain.grad)


def test_a_constant_current_is_the_same_at_every_step():
    neurons = population(150, 300.0, 6, voltage_decay=0.3)
    current = torch.randint(-50, 200, (1, 4, 30)).float()
    ours, plain = current.clone().requires_grad_(), current.clone().requires_grad_()
    spikes, expected = lif(ours, neurons), lif(plain.expand(6, 4, 30), neurons)
    assert 0 < spikes.mean() < 1
    assert torch.equal(spikes, expected)
    grad = torch.randn_like(spikes)
    spikes.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(ours.grad, plain.grad)
    assert torch.equal(membrane(current, neurons)[0], spikes)


@pytest.mark.parametrize("kind", range(len(SURROGATES)))
@pytest.mark.parametrize("width", [0.5, 2.0])
def test_surrogates_have_area_one(kind, width):
    x = np.linspace(-2000, 2000, 4_000_001)
    area = torch.trapezoid(derivative_torch(torch.from_numpy(x), width, kind), torch.from_numpy(x)).item()
    assert area == pytest.approx(1, abs=2e-3)
    for distance in (-0.3, 0.0, 0.2, 1.7):
        expected = derivative_torch(torch.tensor(distance, dtype=torch.float64), width, kind).item()
        assert derivative(distance, width, kind) == pytest.approx(expected)


def test_rectangle_is_the_papers():
    # 1/a inside |x| < a/2, zero outside.
    inside, edge = torch.tensor(0.49), torch.tensor(0.5)
    assert derivative_torch(inside, 1.0, 0) == 1
    assert derivative_torch(edge, 1.0, 0) == 0
    assert derivative_torch(inside, 2.0, 0) == 0.5
