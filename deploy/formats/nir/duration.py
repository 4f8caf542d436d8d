"""Check that a NIR file was written for the duration of a step that it is read with.

NIR's neurons are differential equations: a file has time constants in seconds and no step. One step too short
makes every decay and gain smaller, and the network nearly silent, without anything being wrong with it.
"""

from collections.abc import Mapping

import numpy as np

from deploy.formats.nir.fields import ALIKE, numbers
from deploy.formats.nir.topology import kind

SLOW = 0.02
"""Decay in a step from which on a time constant is doubted where nothing says the duration of a step."""

MILLISECOND = 1e-3
"""The step of Norse, and of most recordings."""

LONGEST = 1e4
"""Time constant, in seconds or in steps, beyond which a state is meant to keep everything."""

SCALED = 1e-3
"""Relative difference up to which a gain is 1."""


def duration_doubt(
    given: float | None, written: float | None, assumed: float, nodes: Mapping[str, object]
) -> str | None:
    """The warning, or None.

    Parameters
    ----------
    given, written : float or None
        The argument ``dt``, and that of the file's metadata, in seconds.
    assumed : float
        What is taken where both are None.
    nodes : mapping of str to nir.NIRNode
        Those of the whole graph, without subgraphs.
    """
    if given is not None:
        if written is None or np.isclose(given, written, rtol=ALIKE, atol=0):
            return None
        return (
            f"dt is {given:g} s and the file was written for steps of {written:g} s: decays and gains are"
            f" {given / written:.3g} times those it was written with; leave dt out to take the file's"
        )
    if written is not None:
        return None
    doubts = [doubt for name, node in nodes.items() if (doubt := _doubt(name, node, assumed)) is not None]
    if not doubts:
        return None
    more = f"; likewise {len(doubts) - 1} more nodes" if len(doubts) > 1 else ""
    return (
        f"the file says no duration of a step, and {assumed:g} s is assumed: {doubts[0]}{more}. Pass dt, the"
        f" step that the file was written for (Norse: dt=1e-3; sinabs, whose time constants are in steps:"
        f" dt=1), or dt={assumed:g} where that is right"
    )


def _doubt(name: str, node, dt: float) -> str | None:
    """The parameter of a node that seems to be for another step than ``dt``."""
    if kind(node) == "Delay":
        delays = numbers(name, "delay", node.delay) / MILLISECOND
        if not delays.any() or abs(delays - delays.round()).max() > SCALED:
            return None
        return (
            f"{name} delays by {delays.max() * MILLISECOND / dt:g} steps, and by {delays.max():g} in steps of"
            " 1 ms, of which all its delays are multiples"
        )
    if kind(node) == "IF":
        resistance = _mean(name, node, "r")
        if resistance != 1 and _is_one(resistance * MILLISECOND):
            return f"{name} has r = {resistance:g}, a gain of {dt * resistance:g}, and of 1 in steps of 1 ms"
        return None
    for field, factor in _CONSTANTS.get(kind(node), ()):
        constant, gain = _mean(name, node, field), _mean(name, node, factor)
        # snnTorch and SpikingJelly write r = tau / dt, which gives their dt.
        for_assumed = _is_one(gain * dt / constant)
        for_millisecond = gain != 1 and _is_one(gain * MILLISECOND / constant)
        if (dt / constant <= SLOW and constant < LONGEST and not for_assumed) or for_millisecond:
            other, step = ("1", 1.0) if constant > 1 else ("1 ms", MILLISECOND)
            return (
                f"{name} has {field} = {constant:g}, a decay of {dt / constant:.3g} a step, and of"
                f" {step / constant:.3g} at a step of {other}"
            )
    return None


_CONSTANTS = {"LIF": (("tau", "r"),), "CubaLIF": (("tau_mem", "r"), ("tau_syn", "w_in"))}
"""Time constants of a kind of neuron, and what is multiplied by dt over each."""


def _mean(name: str, node, field: str) -> float:
    return float(numbers(name, field, getattr(node, field)).mean())


def _is_one(value: float) -> bool:
    return abs(value - 1) <= SCALED
