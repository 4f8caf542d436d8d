"""Methods of pruning that a run can name: one object for each, in one registry."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dpap.errors import InputError
from dpap.errors.known_names import suggestion
from dpap.networks import Network
from dpap.plasticity import criteria
from dpap.pruning import DPAP, SDSNN, Budget, CostFunction, Pruner, SurvivalConfig, TargetConfig

if TYPE_CHECKING:
    from dpap.training.run_config import RunConfig


@dataclass(frozen=True)
class Method(ABC):
    """A way to prune in training.

    Attributes
    ----------
    name : str
        In configurations and on the command line.
    label : str
        In reports.
    importance : str or None
        The criterion of importance that the method is named after.
    prunes : bool
        Whether anything is pruned.
    regrows : bool
        Whether pruned synapses may come back. The masks of blocks then leave synapses from pruned neurons
        open, and those that are deployed are worked out from them.
    """

    name: str
    label: str
    importance: str | None = None

    prunes: ClassVar[bool] = True
    regrows: ClassVar[bool] = False

    @abstractmethod
    def check(self, config: "RunConfig") -> None:
        """Raise a ``ValueError`` where the rest of a configuration does not fit the method."""

    def briefest(self) -> dict[str, Any]:
        """Fields with which a run that only tries everything out prunes at least once."""
        return {"training.epochs": 1}

    @abstractmethod
    def pruner(
        self, network: Network, config: "RunConfig", cost_function: CostFunction | None
    ) -> Pruner | None:
        """The pruner of a network; None where nothing is pruned.

        Raises
        ------
        InputError
            The network cannot be pruned so.
        """

    @abstractmethod
    def settings(self, config: "RunConfig") -> dict[str, str]:
        """The constants of the method, in words, for a report."""


class Unpruned(Method):
    """No pruning: the control."""

    prunes = False

    def check(self, config: "RunConfig") -> None:
        """A target is for pruning."""
        if config.pruning.target is not None:
            raise ValueError("method none prunes nothing; remove pruning.target, or name another method")

    def pruner(self, network: Network, config: "RunConfig", cost_function: CostFunction | None) -> None:
        """None."""

    def settings(self, config: "RunConfig") -> dict[str, str]:
        """None either."""
        return {}


class ByDPAP(Method):
    """DPAP, with its own importance or another criterion's."""

    def check(self, config: "RunConfig") -> None:
        """A criterion is named once."""
        if self.importance is not None and config.pruning.importance not in (self.importance, "bcm"):
            raise ValueError(
                f"method {self.name} has importance {self.importance}; pruning.importance is"
                f" {config.pruning.importance}"
            )

    def pruner(self, network: Network, config: "RunConfig", cost_function: CostFunction | None) -> Pruner:
        """A :class:`dpap.DPAP`, whose budget is measured by the cost function."""
        return DPAP(network, config.pruning, cost_function)

    def settings(self, config: "RunConfig") -> dict[str, str]:
        """Constants of DPAP, and its target where there is one."""
        pruning = config.pruning
        settings = {
            "DPAP in convolutions": _constants(pruning.conv),
            "DPAP in dense layers": _constants(pruning.dense),
            "DPAP normalisation": pruning.normalization,
        }
        if pruning.importance != "bcm":
            settings["importance"] = pruning.importance
        if pruning.target is not None:
            settings["target"] = _target(pruning.target)
        return settings


class BySDSNN(Method):
    """SD-SNN, whose structure develops both ways."""

    regrows = True

    def check(self, config: "RunConfig") -> None:
        """SD-SNN finds its own pruning rate, and needs some epochs before it prunes."""
        if config.pruning.target is not None:
            raise ValueError(
                "method sdsnn finds its own pruning rate and has no target; remove pruning.target, or"
                " name another method"
            )
        first = 2 * config.sdsnn.patience + 2
        if config.training.epochs < first:
            raise ValueError(
                f"method sdsnn prunes from epoch {first} on, with sdsnn.patience {config.sdsnn.patience};"
                f" training.epochs is {config.training.epochs}: train longer, or lower sdsnn.patience"
            )

    def briefest(self) -> dict[str, Any]:
        """With a patience of one epoch it prunes in the fourth."""
        return {"sdsnn.patience": 1, "training.epochs": 4}

    def pruner(self, network: Network, config: "RunConfig", cost_function: CostFunction | None) -> Pruner:
        """A :class:`dpap.SDSNN`."""
        return SDSNN(network, config.sdsnn)

    def settings(self, config: "RunConfig") -> dict[str, str]:
        """Constants of SD-SNN."""
        sdsnn = config.sdsnn
        settings = {
            "SD-SNN": f"patience {sdsnn.patience}, ranges times {sdsnn.shrink:g} where weights shrink"
        }
        for where, constants in (("convolutions", sdsnn.conv), ("dense layers", sdsnn.dense)):
            settings[f"SD-SNN in {where}"] = (
                f"{constants.pruning_percent:g} % of the neurons an epoch at first, growth percentile from"
                f" {constants.growth_percentile:g}"
            )
        return settings


UNPRUNED = Unpruned("none", "unpruned")

METHODS: tuple[Method, ...] = (ByDPAP("dpap", "DPAP"), BySDSNN("sdsnn", "SD-SNN"), UNPRUNED)
"""The methods, beside those of each criterion of importance in DPAP's place."""


def methods() -> dict[str, Method]:
    """All methods by name, those of criteria that were registered until now among them."""
    by_criteria = (ByDPAP(name, f"DPAP by {name}", importance=name) for name in criteria())
    return {method.name: method for method in (*METHODS, *by_criteria)}


def method_named(name: str) -> Method:
    """The method of this name.

    Raises
    ------
    InputError
        There is none.
    """
    known = methods()
    if name not in known:
        raise InputError(
            f"method {name!r} is not known; there are {', '.join(known)}{suggestion(name, tuple(known))}"
        )
    return known[name]


def check_method(name: str) -> None:
    """Raise an :class:`~dpap.errors.InputError` unless there is such a method."""
    method_named(name)


def _target(target: TargetConfig) -> str:
    """The fields that are set, with a budget as it is written."""
    named = {name: getattr(target, name) for name in TargetConfig.model_fields}
    return ", ".join(
        f"{name.replace('_', ' ')} {value if isinstance(value, Budget) else f'{value:g}'}"
        for name, value in named.items()
        if value is not None
    )


def _constants(constants: SurvivalConfig) -> str:
    return f"epsilon {constants.epsilon:g}, C {constants.protection:g}, eta {constants.eta:g}"
