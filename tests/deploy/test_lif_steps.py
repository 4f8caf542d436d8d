"""The steps in NumPy against the reference in torch."""

import numpy as np
import pytest
import torch

from deploy.ir import CubaLIF
from deploy.ir.neurons.cuba_lif import fires_by_bias, step
from deploy.ir.neurons.fixed_point import clipped, kept, unwrapped, wrapped
from dpap.neurons import reference
from dpap.neurons.parameters import STATE_LIMIT, VOLTAGE_LIMIT


@pytest.mark.parametrize("current_decay", [4096, 2048, 1, 0])
@pytest.mark.parametrize("voltage_decay", [4096, 819, 0])
def test_steps_are_the_references(current_decay, voltage_decay):
    # Sums of up to 300 weights at inputs of 255, so that currents wrap and voltages clip.
    generator = np.random.default_rng(0)
    sums = generator.integers(-300, 301, (30, 200)) * 254 * 2
    bias = generator.integers(-4000, 4001, 200)
    neuron = CubaLIF(current_decay, voltage_decay, 90_000)
    expected, _ = reference.forward(
        torch.from_numpy(sums),
        4096 - current_decay,
        4096 - voltage_decay,
        neuron.threshold,
        torch.from_numpy(bias),
    )
    current, voltage = np.zeros((2, 200), np.int64)
    wraps = clips = 0
    for arrived, fired in zip(sums, expected.numpy(), strict=True):
        wraps += (np.abs(unwrapped(current, arrived, current_decay)) > STATE_LIMIT).sum()
        current, voltage, spikes = step(neuron, current, voltage, arrived, bias)
        clips += (voltage == -VOLTAGE_LIMIT).sum()
        assert np.array_equal(spikes, fired)
    assert expected.any() and wraps and (clips or voltage_decay)


def test_states_at_their_limits():
    # 2**23 stays and -2**23 wraps to it; a voltage of either is clipped.
    edges = np.array([STATE_LIMIT - 1, STATE_LIMIT, STATE_LIMIT + 1, 1 - STATE_LIMIT, -STATE_LIMIT])
    assert wrapped(edges).tolist() == [8388607, 8388608, -8388607, -8388607, 8388608]
    assert clipped(edges).tolist() == [8388607, 8388607, 8388607, -8388607, -8388607]
    # Three quarters of 7 are 5.25, of -7 -5.25: both lose their fraction.
    assert kept(np.array([7, -7]), 1024).tolist() == [5, -5]


def test_neurons_that_fire_by_their_bias():
    # Of 10 a step half is kept: 10, 15, 17, 18, 19 at 64 units each, and never 20; without leak 10, 20, 30.
    bias = np.array([10, 0, -10])
    assert fires_by_bias(CubaLIF(4096, 2048, 18), bias, 5).tolist() == [True, False, False]
    assert not fires_by_bias(CubaLIF(4096, 2048, 20), bias, 100).any()
    assert not fires_by_bias(CubaLIF(4096, 0, 20), bias, 2).any()
    assert fires_by_bias(CubaLIF(4096, 0, 20), bias, 3).tolist() == [True, False, False]
