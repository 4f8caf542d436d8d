"""The dynamics of sigma-delta units, against Lava's model and SLAYER's neuron."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lava.lib.dl.slayer.neuron import sigma_delta
from lava.proc.sdn.models import PySigmaDeltaModelFixed
from lava.proc.sdn.process import ActivationMode

from dpap.neurons.sigma_delta import decoded, messages


def over_time(*values):
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)


def test_an_example_by_hand():
    # Shift 2, threshold 6: at 5 nothing is sent; 9 - 0 = 9 is, as floor(9 / 4) = 2; 4 - 9 = -5 is not;
    # 1 - 9 = -8 is, as -2; -3 counts as 0, and 0 - 1 = -1 is not; 8 - 1 = 7 is, as floor(7 / 4) = 1.
    sent = messages(decoded(over_time(5, 9, 4, 1, -3, 8), threshold=6, shift=2), 6)
    assert sent.flatten().tolist() == [0, 2, 0, -2, 0, 1]


def test_negative_changes_round_down():
    # 7 is floor(7 / 4) = 1; 2 - 7 = -5 is floor(-5 / 4) = -2: the receiver then holds -1.
    assert decoded(over_time(7, 2), threshold=4, shift=2).flatten().tolist() == [1, -1]


@pytest.mark.parametrize(("threshold", "expected"), [(4, [0, 0, -1, 1]), (8, [0, 0, -2, 2])])
def test_an_output_unit_is_not_rectified(threshold, expected):
    # -3 is below both thresholds; -4 and 4 are below the second.
    states = {4: [-3, 3, -4, 4], 8: [-4, 4, -8, 8]}[threshold]
    known = decoded(torch.tensor([[states]], dtype=torch.float32), threshold, shift=2, rectified=False)
    assert known.flatten().tolist() == expected


integers = st.integers(-(2**20), 2**20)


@st.composite
def populations(draw):
    steps, shift = draw(st.integers(1, 16)), draw(st.integers(0, 12))
    threshold = max(1 << shift, draw(st.sampled_from([0, 1, 5000, 300_000])))
    seed, spread = draw(st.integers(0, 2**16)), draw(st.sampled_from([1, 1000, 2**20]))
    generator = torch.Generator().manual_seed(seed)
    state = torch.randint(-spread, spread + 1, (steps, 2, 5), generator=generator).float()
    return state, threshold, shift, draw(st.booleans())


@settings(max_examples=60)
@given(populations())
def test_messages_are_lavas(population):
    state, threshold, shift, rectified = population
    model = object.__new__(PySigmaDeltaModelFixed)
    model.act_mode = ActivationMode.RELU if rectified else ActivationMode.UNIT
    model.vth, model.bias, model.cum_error = threshold, 0, False
    model.sigma = model.act = model.residue = np.zeros(state.shape[1:], np.int32)
    inputs = np.diff(state.numpy().astype(np.int32), axis=0, prepend=np.int32(0))
    expected = np.stack([np.right_shift(model.dynamics(step), shift) for step in inputs])
    assert np.array_equal(messages(decoded(*population), len(state)).numpy(), expected)


@settings(max_examples=40)
@given(populations())
def test_messages_and_gradients_are_slayers(population):
    state, threshold, shift, rectified = population
    scale = 1 << shift  # A sum's unit is then 2**-shift of a message's, 1 / s_scale.
    unit = 64 * scale * scale
    activation = torch.nn.functional.relu if rectified else torch.nn.Identity()
    neuron = sigma_delta.Neuron(threshold / unit, activation, scale=scale)
    neuron.delta.threshold.data.fill_(threshold / unit)
    changes = torch.diff(state, dim=0, prepend=torch.zeros_like(state[:1]))
    theirs = (changes / unit).movedim(0, -1).requires_grad_()
    ours = changes.clone().requires_grad_()
    sent = neuron(theirs)
    known = messages(decoded(ours.cumsum(0), threshold, shift, rectified), len(state))
    assert torch.equal(sent.movedim(-1, 0) * neuron.s_scale, known)
    upstream = torch.randn(known.shape, generator=torch.Generator().manual_seed(1))
    (sent.movedim(-1, 0) * upstream).sum().backward()
    (known * upstream).sum().backward()
    # In message units of either side a change of one unit of a sum counts 2**-shift.
    expected = theirs.grad.movedim(-1, 0) / scale
    assert torch.allclose(ours.grad, expected, rtol=1e-4, atol=1e-6 / scale)


@settings(max_examples=30)
@given(populations())
def test_a_single_step_stands_for_all(population):
    state, *constants = population
    first = state[:1]
    repeated = decoded(first.expand(6, -1, -1), *constants)
    known = decoded(first, *constants)
    assert torch.equal(repeated, known.expand(6, -1, -1))
    assert torch.equal(messages(repeated, 6), messages(known, 6))


def test_states_beyond_float32_are_exact_in_float64():
    # 2**30 + 1 has no float32: (2**30 + 1 - 1) / 2**10 = 2**20, one less would be 2**20 - 1.
    state = torch.tensor([[[1.0]], [[2.0**30 + 1]], [[1.0]]], dtype=torch.float64)
    assert decoded(state, 1024, 10).flatten().tolist() == [0, 2**20, 0]
