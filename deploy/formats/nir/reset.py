r"""The reset of the neurons of a NIR file.

NIR's neurons are set to ``v_reset`` after a spike. A reset by subtraction, :math:`v \leftarrow v - \theta`,
has no field: snnTorch 1.0 and sinabs, whose default it is, write the same node as for a reset to zero, and
Norse 1.1, which resets to zero, writes nothing that distinguishes its files from theirs. Only files of
:func:`deploy.export` say it: in the metadata ``reset``, or, where they are older, by the ``unit`` of each
neuron node.

Both resets give the same spikes until a potential exceeds the threshold. What exceeds it is kept by the one
and lost by the other, so that neurons which reset to zero fire less the more a single step adds.
"""

from collections.abc import Mapping

from deploy.errors import CompileError
from deploy.formats.nir.topology import NEURONS, kind
from dpap.errors import InputError

RESETS = ("zero", "subtract")
"""What an argument or metadata may say."""

REMEDY = 'retrain with a reset to zero (snnTorch: reset_mechanism="zero")'


def reset_doubt(given: str | None, written: object, nodes: Mapping[str, object]) -> str | None:
    """The warning where nothing says that neurons reset to zero; None where something does.

    Parameters
    ----------
    given : str or None
        The argument ``reset``.
    written : object
        The file's metadata ``reset``, or None.
    nodes : mapping of str to nir.NIRNode
        Those of the whole graph.

    Raises
    ------
    InputError
        The argument is not one of :data:`RESETS`.
    CompileError
        Neurons reset by subtraction.
    """
    if given is not None and not _known(given):
        raise InputError(f"reset is {given!r}; expected None, {' or '.join(map(repr, RESETS))}")
    neurons = {name: node for name, node in nodes.items() if kind(node) in NEURONS}
    said = given or (written if _known(written) else None)
    if said == "subtract":
        raise CompileError(
            f"{listed(neurons)}: a reset by subtraction has no counterpart; pass reset='zero' to convert all"
            f" the same and compare the accuracy, or {REMEDY}"
        )
    if said == "zero" or all(_ours(node) for node in neurons.values()):
        return None
    return (
        f"nothing says whether the neurons {listed(neurons)} reset to zero or by subtraction, for NIR has no"
        " field for that; they are converted as resetting to zero. If they reset by subtraction, the default"
        " of snnTorch and sinabs, spikes are lost wherever the input of a step lifts a potential above its"
        " threshold, and accuracy may fall. Pass reset='zero' if they do reset to zero or the accuracy is"
        f" as expected; otherwise {REMEDY}"
    )


def listed(names: Mapping[str, object], most: int = 4) -> str:
    """The first names, and how many more there are."""
    first = ", ".join(list(names)[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most} more"


def _known(value: object) -> bool:
    return isinstance(value, str) and value in RESETS


def _ours(node) -> bool:
    """Whether :func:`deploy.export` wrote a neuron node."""
    return isinstance(node.metadata, dict) and {"unit", "kept", "network_shape"} <= set(node.metadata)
