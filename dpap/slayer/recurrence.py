"""What a stock recurrent block needs so that samples stay apart.

``cuba.Recurrent`` runs its neurons step by step, and for that they keep their state
(``persistent_state=True``). It is never reset: a batch of as many samples as the one before starts with that
one's last currents and voltages. Spikes do not carry over. And since the state is kept behind the neuron's
norm, a bias gathers in the current. Source: lava-dl 0.6, ``block/base.py``, ``utils/recurrent.py`` and
``neuron/cuba.py``. Both are mended here by hooks on the stock objects.
"""

import torch
from torch import nn


def start_at_rest(block: nn.Module) -> None:
    """Let every forward pass of a stock recurrent block start with currents and voltages of zero."""
    if _reset not in block._forward_pre_hooks.values():
        block.register_forward_pre_hook(_reset)


def keep_bias_out_of_current(neuron: nn.Module) -> None:
    """Let a persistent stock neuron keep the current as it was before its norm."""
    if not keeps_bias_out_of_current(neuron):
        neuron.register_forward_hook(_restore_current)


def keeps_bias_out_of_current(neuron: nn.Module) -> bool:
    """Whether :func:`keep_bias_out_of_current` was called."""
    return _restore_current in neuron._forward_hooks.values()


def reset_state(block: nn.Module) -> None:
    """Set currents and voltages of a stock recurrent block to zero."""
    neuron = block.neuron
    # One number stands for all: the neuron expands it to its batch.
    neuron.current_state = neuron.current_state.new_zeros(1)
    neuron.voltage_state = neuron.voltage_state.new_zeros(1)


def _reset(block: nn.Module, _inputs: tuple) -> None:
    reset_state(block)


@torch.no_grad()
def _restore_current(neuron: nn.Module, _inputs: tuple, _spikes: torch.Tensor) -> None:
    neuron.current_state = neuron.current_state + neuron.norm.pre_hook_fx(neuron.norm.running_mean)
