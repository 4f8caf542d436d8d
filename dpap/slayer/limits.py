"""Limits of Lava's arithmetic that stock SLAYER's does not have."""

import torch

from dpap.neurons.parameters import STATE_SHIFT
from dpap.slayer.conversion import Conversion
from dpap.slayer.evaluation import Call
from dpap.slayer.unchanged import unchanged

STATES = 1 << 23
"""Lava wraps currents and clips voltages here; SLAYER does not."""

SUMS = 1 << 22
"""Beyond this a float32 sum of sigma-delta messages may have been rounded on the way."""


@torch.no_grad()
def leaves_limits(conversion: Conversion, call: Call) -> bool:
    """Whether a block's states come where SLAYER and the converted network may differ.

    Spiking neurons: a current or a voltage reaches 24 bits. Sigma-delta units: a sum over time, in whole
    numbers, comes near what float32 holds.

    Parameters
    ----------
    conversion : Conversion
    call : Call
    """
    block, drive = conversion.blocks[call.index], call.drive
    if drive is None:
        return False
    neuron = block.neuron
    if hasattr(neuron, "sigma"):
        before = conversion.stages[call.index - 1].unit
        return bool((drive.cumsum(-1).abs().amax() * before * neuron.w_scale) >= SUMS)
    with unchanged(neuron):
        neuron.eval()
        neuron.current_state = neuron.current_state.new_zeros(1)
        neuron.voltage_state = neuron.voltage_state.new_zeros(1)
        current, voltage = neuron.dynamics(drive)
    largest = max(current.abs().amax().item(), voltage.abs().amax().item())
    return largest * (neuron.w_scale << STATE_SHIFT) >= STATES - 1
