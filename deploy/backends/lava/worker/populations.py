"""The Lava process of a layer's neurons, by their kind."""

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.lif.process import LIFReset
from processes.sigma_delta import SigmaDeltaReset

BIAS_EXPONENT = 6
"""Biases of LIF neurons are in the units of synaptic sums, which Loihi shifts left by 6 bits."""


def population(layer: dict, size: int, bias: np.ndarray, time_steps: int) -> AbstractProcess:
    """Neurons with ``a_in`` and ``s_out``, which are reset as each sample reaches them.

    Parameters
    ----------
    layer : dict
        A layer of ``job.json``.
    size : int
        Neurons.
    bias : int32 array of shape (size,), or empty
    time_steps : int
        Steps of a sample.
    """
    neuron, shape = layer["neuron"], (size,)
    resets = {"reset_interval": time_steps, "reset_offset": layer["lag"] + 1}
    bias = bias if len(bias) else 0
    if neuron["kind"] == "sigma-delta":
        constants = {name: neuron[name] for name in ("threshold", "shift", "rectified")}
        return SigmaDeltaReset(shape, bias=bias, **constants, **resets)
    return LIFReset(
        shape=shape,
        # Lava adds 1 to the decay of the current, as Loihi does.
        du=neuron["current_decay"] - 1,
        dv=neuron["voltage_decay"],
        vth=neuron["threshold"],
        bias_mant=bias,
        bias_exp=BIAS_EXPONENT,
        **resets,
    )
