r"""Check that the neurons of a network can reach their thresholds.

A neuron with the synaptic sum :math:`a \le P m` (P its positive weights, m the largest input) and the
constant b stays, over T steps, at

.. math::
    v \le g_v(T)\, (g_u(T)\, P m + b)^+

with the gains of current and voltage in :func:`dpap.quantization.scaling.gains`. Where that is no more than
the threshold the neuron is silent for every input, which a wrong resistance, time constant or step brings
about.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from deploy.formats.nir.fields import numbers
from deploy.formats.nir.topology import kind
from dpap.blocks import SynapticBlock
from dpap.limits import MOST_STEPS
from dpap.networks import Network
from dpap.quantization.scaling import gains

FEW = 0.01
"""Share of a layer's neurons up to which nearly none can reach the threshold."""

_FIELDS = {"LIF": ("r", "tau"), "CubaLIF": ("r", "w_in", "tau_mem", "tau_syn"), "IF": ("r",)}
"""What determines the gains of a kind of neuron, next to dt."""


def unreachable(network: Network, neurons: Mapping[str, tuple[str, object]], dt: float) -> Iterator[str]:
    """A warning for each layer in which nearly no neuron can reach its threshold.

    Parameters
    ----------
    network : Network
        As it was built.
    neurons : mapping of str to (str, nir.NIRNode)
        For each of its layers, the name and node of its neurons.
    dt : float
        Duration of a step in seconds.
    """
    for layer, (name, node) in neurons.items():
        block, steps = network.layers[layer], network.time_steps
        if block.scale is not None:
            # Integers of deploy.export: what is silent here was silent there.
            continue
        threshold, highest = block.neuron.threshold, largest_potential(block, steps)
        able = int((highest > threshold).sum())
        if able > FEW * len(highest):
            continue
        many = f"only {able} of its {len(highest)}" if able else f"none of its {len(highest)}"
        what = "channels" if block.kind == "conv" else "neurons"
        yield (
            f"{name}: {many} {what} can reach the threshold of {threshold:g}: with the largest input in each"
            f" of {steps} steps a potential is at most {highest.max():.3g}"
            f" ({_parameters(name, node)}, dt = {dt:g}); {_advice(name, node, block, dt)}"
        )


def largest_potential(block: SynapticBlock, time_steps: int) -> torch.Tensor:
    """The most that the potential of each neuron (or channel) can be, float64 ``(out,)``."""
    weight = block.weight.detach().double().clamp(min=0)
    inputs = weight.shape[1] - len(weight) if getattr(block, "recurrent", False) else weight.shape[1]
    # A recurrent spike is 1, where inputs are up to their bound; both in units of 1 / divisor.
    arriving = weight[:, :inputs].flatten(1).sum(1) * block.input_bound + weight[:, inputs:].flatten(1).sum(1)
    current, both = gains(block.neuron.current_keep, block.neuron.voltage_keep, time_steps)
    bias = 0.0 if block.bias is None else block.bias.detach().double()
    return (arriving / block.input_divisor * current + bias).clamp(min=0) * (both / current)


def _parameters(name: str, node) -> str:
    fields = _FIELDS[kind(node)]
    return ", ".join(f"{field} = {_extent(numbers(name, field, getattr(node, field)))}" for field in fields)


def _extent(values: np.ndarray) -> str:
    lowest, highest = values.min(), values.max()
    return f"{lowest:g}" if lowest == highest else f"{lowest:g} to {highest:g}"


def _advice(name: str, node, block: SynapticBlock, dt: float) -> str:
    if not largest_potential(block, 1).any():
        return "no synapse excites them, so check the weights"
    resistance = numbers(name, "r", node.r)
    if kind(node) == "IF" and not (resistance == 1).all():
        return (
            f"a step adds dt r = {_extent(dt * resistance)} times its input. If the file means r times, pass"
            f" dt=1, or write r / dt = {_extent(resistance / dt)}"
        )
    advice = "pass the dt that the file was written for, or check its weights and these parameters"
    if (largest_potential(block, MOST_STEPS) > block.neuron.threshold).any():
        advice = f"give more time_steps, {advice}"
    return advice
