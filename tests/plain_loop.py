"""The neuron as a reader would write it: a loop over time in float64, differentiated by autograd."""

import torch

from dpap.neurons import SURROGATES
from dpap.neurons.parameters import DECAY_UNITY
from dpap.neurons.surrogate import derivative_torch


class Spike(torch.autograd.Function):
    """A step with a surrogate derivative."""

    @staticmethod
    def forward(ctx, voltage, level, width, kind):
        ctx.save_for_backward(voltage)
        ctx.rest = level, width, kind
        return (voltage > level).to(voltage.dtype)

    @staticmethod
    def backward(ctx, grad):
        level, width, kind = ctx.rest
        return grad * derivative_torch(ctx.saved_tensors[0] - level, width, kind), None, None, None


def plain_lif(synapse, inputs, neuron, bias=0.0):
    """Spikes of float64 inputs ``(T, N, ...)``; ``synapse(inputs, spikes before)`` gives real sums."""
    keep_u, keep_v = neuron.current_keep / DECAY_UNITY, neuron.voltage_keep / DECAY_UNITY
    spikes, u, v, s = [], 0.0, 0.0, None
    for x in inputs:
        u = keep_u * u + synapse(x, s)
        v = (keep_v * v * (1 - s) if s is not None else 0.0) + u + bias
        s = Spike.apply(v, neuron.threshold, neuron.surrogate_width, SURROGATES.index(neuron.surrogate))
        spikes.append(s)
    return torch.stack(spikes)
