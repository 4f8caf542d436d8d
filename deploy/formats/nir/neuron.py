r"""A NIR neuron in steps of time.

Forward Euler, the synapse before the membrane, and the threshold after both in the same step, as snnTorch,
Norse and SpikingJelly do:

.. math::
    u[t] &= (1 - \alpha_u)\, u[t-1] + \alpha_u w_{in}\, a[t], & \alpha_u &= \Delta t/\tau_{syn} \\
    v[t] &= (1 - \alpha_v)\, v[t-1] + \alpha_v (v_{leak} + R\, u[t]), & \alpha_v &= \Delta t/\tau_{mem}

A ``LIF`` has :math:`\alpha_u = w_{in} = 1`. An ``IF`` has :math:`v[t] = v[t-1] + \Delta t\, R\, a[t]`, except
that R = 1 is read as :math:`v[t] = v[t-1] + a[t]`, which is how sinabs and Norse mean it.
"""

from dataclasses import dataclass

import numpy as np

from deploy.errors import CompileError, FormatError
from deploy.formats.nir.fields import ALIKE, numbers


@dataclass(frozen=True)
class StepNeuron:
    """The step of a layer's neurons.

    Attributes
    ----------
    current_decay, voltage_decay : float
        The same for all.
    gain : float array that broadcasts to the layer's shape
        What weights are multiplied by.
    constant : float array, likewise
        Added to the voltage in every step.
    threshold : float array, likewise
    unit : int or None
        Integer weights for a weight of 1, where :func:`deploy.export` wrote the file.
    """

    current_decay: float
    voltage_decay: float
    gain: np.ndarray
    constant: np.ndarray
    threshold: np.ndarray
    unit: int | None


def step_neuron(name: str, node, dt: float) -> StepNeuron:
    """The neuron of a node.

    Parameters
    ----------
    name : str
        Of the node, for errors.
    node : nir.LIF, nir.CubaLIF or nir.IF
    dt : float
        Duration of a step in seconds.

    Raises
    ------
    FormatError
        A parameter is not finite, or a time constant not positive.
    CompileError
        The neuron has no counterpart.
    """
    kind = type(node).__name__
    threshold, reset = _numbers(name, node, "v_threshold"), _numbers(name, node, "v_reset")
    if reset.any():
        raise CompileError(
            f"{name}: its v_reset is {reset.flat[0]:g}; a neuron here resets to 0, so shift its voltages"
        )
    if not (threshold > 0).all():
        raise CompileError(f"{name}: its v_threshold is {threshold.min():g}; expected more than 0")
    resistance, unit = _numbers(name, node, "r"), _unit(name, node)
    if kind == "IF":
        gain = resistance if (resistance == 1).all() else dt * resistance
        return StepNeuron(1.0, 0.0, gain, np.zeros(1), threshold, unit)
    voltage = _decay(name, node, "tau" if kind == "LIF" else "tau_mem", dt)
    current, gain = 1.0, voltage * resistance
    if kind == "CubaLIF":
        current = _decay(name, node, "tau_syn", dt)
        gain = gain * current * _numbers(name, node, "w_in")
    return StepNeuron(current, voltage, gain, voltage * _numbers(name, node, "v_leak"), threshold, unit)


def _numbers(name: str, node, field: str) -> np.ndarray:
    return numbers(name, field, getattr(node, field))


def _unit(name: str, node) -> int | None:
    written = node.metadata.get("unit") if isinstance(node.metadata, dict) else None
    if written is None:
        return None
    unit = int(numbers(name, "unit", written).flat[0])
    return unit if unit > 0 else None


def _decay(name: str, node, field: str, dt: float) -> float:
    constants = _numbers(name, node, field)
    first = constants.flat[0]
    if not np.allclose(constants, first, rtol=ALIKE, atol=0):
        raise CompileError(
            f"{name}: its {field} is from {constants.min():g} to {constants.max():g}; the neurons of a layer"
            " have one time constant: split the layer"
        )
    if not first > 0:
        raise FormatError(f"{name}: its {field} is {first:g}; expected more than 0")
    decay = dt / first
    if decay > 1 + ALIKE:
        raise CompileError(
            f"{name}: its {field} of {first:g} s is shorter than a step of {dt:g} s; pass the dt that the"
            " file was written for (Norse 1.1 writes dt times each time constant: in steps of 1 ms, dt=1e-6)"
        )
    return min(decay, 1.0)
