"""Errors for arguments of a wrong type, which say how to make the right one."""

from typing import Any

from dpap.errors import InputError

_COMPILE = "compile it first: deploy.compile(network)"
_RUN = "run it first: deploy.run(graph, inputs)"
_MEASURE = "measure first: deploy.measure(graph, deploy.run(graph, inputs))"
_SPLIT = "make one of whole numbers: dpap.data.Split(images, labels, input_max)"
_NETWORK = "build one by dpap.networks.build, or convert yours by dpap.from_slayer or deploy.from_nir"

_REMEDIES = {
    ("Network", "Graph"): _COMPILE,
    ("Sequential", "Graph"): "convert it by dpap.from_slayer, and then deploy.compile(network)",
    ("Graph", "Recording"): _RUN,
    ("Graph", "Measurement"): _MEASURE,
    ("Recording", "Measurement"): "measure it first: deploy.measure(graph, recording)",
    ("Network", "Measurement"): _MEASURE,
    ("str", "Neuron"): "use dpap.LIF() or dpap.ReLU()",
    ("Graph", "Network"): "give the network that it was compiled from",
}
"""What to do, by what was given and what is expected."""

_BY_EXPECTED = {
    "Split": _SPLIT,
    "Network": _NETWORK,
    "Graph": "compile a network by deploy.compile, or load one by deploy.load",
}
"""The same for anything else that was given."""


def expect(value: Any, kind: type | tuple[type, ...], name: str, call: str) -> None:
    """Refuse an argument that is of another kind.

    Parameters
    ----------
    value
    kind : type or tuple of types
    name : str
        Of the argument.
    call : str
        How the function is called, as in ``deploy.run(graph, inputs)``.

    Raises
    ------
    InputError
        It is; what was given, what is expected, what to do, and the call.
    """
    if isinstance(value, kind):
        return
    kinds = kind if isinstance(kind, tuple) else (kind,)
    given, expected = type(value).__name__, " or ".join(each.__name__ for each in kinds)
    remedy = _REMEDIES.get((given, expected)) or _BY_EXPECTED.get(expected)
    advice = f"; {remedy}" if remedy else ""
    raise InputError(f"{name} is a {given}; expected a {expected}, as in {call}{advice}")
