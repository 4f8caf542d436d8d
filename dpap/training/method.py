"""Methods of pruning, by name."""

from dpap.errors import InputError
from dpap.errors.known_names import suggestion
from dpap.networks import Network
from dpap.plasticity import criteria
from dpap.pruning import DPAP, SDSNN, CostFunction, DPAPConfig, Pruner, SDSNNConfig

NO_PRUNING = "none"
REGROWING = "sdsnn"
"""SD-SNN, whose structure develops both ways."""

_DPAP = "dpap"


def methods() -> tuple[str, ...]:
    """Names of all methods: DPAP, SD-SNN, none, and DPAP with each criterion of importance."""
    return (_DPAP, REGROWING, NO_PRUNING, *criteria())


def check_method(name: str) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless there is such a method."""
    if name not in methods():
        raise InputError(
            f"method {name!r} is not known; there are {', '.join(methods())}{suggestion(name, methods())}"
        )


def importance_of(method: str) -> str | None:
    """The criterion that a method is named after, if it is."""
    return method if method in criteria() else None


def method_label(method: str) -> str:
    """A method as it is named to a reader."""
    labels = {_DPAP: "DPAP", REGROWING: "SD-SNN", NO_PRUNING: "unpruned"}
    return labels.get(method, f"DPAP by {method}")


def make_pruner(
    method: str,
    network: Network,
    dpap: DPAPConfig,
    sdsnn: SDSNNConfig,
    cost_function: CostFunction | None = None,
) -> Pruner | None:
    """The pruner of a method, by the configuration that it reads; None for ``none``.

    DPAP's budget is measured by ``measure``.

    Raises
    ------
    InputError
        The network cannot be pruned so.
    """
    check_method(method)
    if method == NO_PRUNING:
        return None
    return SDSNN(network, sdsnn) if method == REGROWING else DPAP(network, dpap, cost_function)
