"""Methods of pruning, by name."""

from dpap.errors import InputError
from dpap.networks import Network
from dpap.plasticity import criteria
from dpap.pruning import DPAP, DPAPConfig, Measure, Pruner

NO_PRUNING = "none"

_DPAP = "dpap"


def methods() -> tuple[str, ...]:
    """Names of all methods: DPAP, none, and DPAP with each criterion of importance."""
    return (_DPAP, NO_PRUNING, *criteria())


def check_method(name: str) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless there is such a method."""
    if name not in methods():
        raise InputError(f"method {name!r} is not known; there are {', '.join(methods())}")


def importance_of(method: str) -> str | None:
    """The criterion that a method is named after, if it is."""
    return method if method in criteria() else None


def make_pruner(
    method: str, network: Network, config: DPAPConfig, measure: Measure | None = None
) -> Pruner | None:
    """The pruner of a method; None for ``none``. A budget is measured by ``measure``.

    Raises
    ------
    InputError
        The network cannot be pruned so.
    """
    check_method(method)
    return None if method == NO_PRUNING else DPAP(network, config, measure)
