"""The neuron as a differentiable torch operation."""

import torch

from dpap.neurons import kernels, reference
from dpap.neurons.parameters import DECAY_UNITY, LIF, STATE_SHIFT
from dpap.neurons.surrogate import SURROGATES


class _LIFFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, current, neuron, threshold, scale):
        ctx.neuron, ctx.threshold, ctx.scale = neuron, threshold, scale
        keeps = neuron.current_keep, neuron.voltage_keep
        if current.device.type == "cpu":
            current = current.contiguous()
            spikes, voltage = torch.empty_like(current), torch.empty_like(current)
            kernels.lif_forward(
                _flat(current), *keeps, threshold << STATE_SHIFT, _flat(spikes), _flat(voltage)
            )
        else:
            spikes, voltage = reference.forward(current, *keeps, threshold)
        ctx.save_for_backward(voltage)
        ctx.mark_non_differentiable(voltage)
        return spikes, voltage

    @staticmethod
    def backward(ctx, grad_spikes, _grad_voltage):
        (voltage,) = ctx.saved_tensors
        neuron = ctx.neuron
        unit = 1.0 / (ctx.scale * (1 << STATE_SHIFT))
        # The comparison that fired is strict on integers, so the level in real units is the mantissa's.
        level = ctx.threshold / ctx.scale
        keeps = neuron.current_keep / DECAY_UNITY, neuron.voltage_keep / DECAY_UNITY
        shape = (level, neuron.surrogate_width, SURROGATES.index(neuron.surrogate))
        gain = 1.0 / ctx.scale
        if grad_spikes.device.type == "cpu":
            grad_spikes = grad_spikes.contiguous()
            grad = torch.empty_like(grad_spikes)
            kernels.lif_backward(_flat(grad_spikes), _flat(voltage), unit, *keeps, *shape, gain, _flat(grad))
        else:
            grad = reference.backward(grad_spikes, voltage * unit, *keeps, *shape) * gain
        return grad, None, None, None


def _flat(tensor: torch.Tensor):
    """(T, ...) tensor as a (T, M) array that shares its memory."""
    steps = tensor.shape[0]
    return tensor.detach().numpy().reshape(steps, tensor[0].numel() if steps else 0)


def lif(
    current: torch.Tensor, neuron: LIF, threshold: int, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Spikes of a population over time, exact in integers, differentiable by the surrogate.

    Parameters
    ----------
    current : float32 Tensor of shape (T, ...)
        Synaptic sums :math:`a[t]` of integer weights: whole numbers below 2**17 in magnitude
        (:func:`dpap.quantization.weight_scale` sees to it).
    neuron : LIF
        Decays and surrogate.
    threshold : int
        Threshold mantissa :math:`\Theta`.
    scale : float
        Integer units of a synaptic sum for one unit of real membrane potential; the gradient is that of
        the real-valued network.

    Returns
    -------
    spikes, voltage : float32 Tensors of shape (T, ...)
        Spikes, 0 or 1, and integer voltages before the reset (no gradient flows through the latter).
    """
    return _LIFFunction.apply(current, neuron, threshold, scale)
