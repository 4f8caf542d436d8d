"""A budget in a training run: the samples that it is measured on, and its outcome."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from dpap.data import Split
from dpap.errors import InputError
from dpap.pruning import Budget, BudgetController, CostFunction
from dpap.training.history import EpochRecord
from dpap.training.run_config import RunConfig

MakeCostFunction = Callable[[Budget, np.ndarray, np.ndarray, tuple[str, ...]], CostFunction]
"""Makes the cost function of a budget from samples ``(N, T, *input_shape)``, labels and layers left out."""

GUESSING = 1.5
"""An accuracy of at most so many times that of guessing is warned of."""


def cost_function_for(
    config: RunConfig, splits: Mapping[str, Split], make_cost_function: MakeCostFunction | None
) -> CostFunction | None:
    """The cost function of a run's budget, where there is one.

    The samples are drawn by the training's seed, of those held back for validation or else of the training
    samples.

    Raises
    ------
    InputError
        No ``make_cost_function`` is given; or what :func:`deploy.budget_cost_function` raises.
    """
    target = config.pruning.target
    if target is None or target.budget is None:
        return None
    if make_cost_function is None:
        raise InputError(
            f"pruning.target.budget is {target.budget}; to measure it give run_training"
            " make_cost_function=deploy.budget_cost_function"
        )
    split = splits[_measured_on(config)]
    order = np.random.default_rng(config.training.seed).permutation(len(split))
    chosen = split.part(np.sort(order[: target.samples]))
    return make_cost_function(
        target.budget, chosen.over_time(config.data.time_steps), chosen.labels, config.pruning.left_out
    )


def _measured_on(config: RunConfig) -> str:
    return "validation" if config.data.validation else "train"


@dataclass(frozen=True)
class BudgetOutcome:
    """The outcome of a budget, for the network after the last epoch.

    Attributes
    ----------
    quantity : str
    limit, value : float
        In ``unit``; the value as measured on the compiled network.
    unit : str
    hardware, cost_set : str or None
    met : bool
    reason : str or None
        Why it is not met.
    measured_on : str
        ``train`` or ``validation``.
    accuracy, accuracy_before : float or None
        Of the compiled network on those samples, now and before the first unit was pruned.
    test_accuracy, test_accuracy_before : float or None
        Of the test part, after the last epoch and after the last one at whose end no unit had been pruned;
        None where the first was pruned after the first epoch, or where the test part was not looked at.
    accuracy_cost : float or None
        ``test_accuracy_before - test_accuracy``: below 0 where the network went on to learn more than pruning
        took from it. It is no comparison with an unpruned control.
    epoch_before : int or None
        That last epoch.
    least_accuracy : float or None
        Below which nothing is pruned.
    held_epochs : int
        Epochs that pruned nothing for that.
    warning : str or None
    summary : str
        All this in a sentence or two.
    """

    quantity: str
    limit: float
    value: float
    unit: str
    hardware: str | None
    cost_set: str | None
    met: bool
    reason: str | None
    measured_on: str
    accuracy: float | None
    accuracy_before: float | None
    test_accuracy: float | None
    test_accuracy_before: float | None
    accuracy_cost: float | None
    epoch_before: int | None
    least_accuracy: float | None
    held_epochs: int
    warning: str | None
    summary: str

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return asdict(self)


def budget_outcome(
    config: RunConfig, controller: BudgetController, history: Sequence[EpochRecord], classes: int
) -> BudgetOutcome:
    """The outcome of the budget of a run."""
    budget, last = config.pruning.target.budget, history[-1]
    before = next((record for record in reversed(history) if not record.pruning_rate), None)
    tested = before is not None and None not in (before.test_accuracy, last.test_accuracy)
    cost = before.test_accuracy - last.test_accuracy if tested else None
    reason = _reason(controller, config.pruning.schedule.frozen(last.epoch))
    warning = _warning(controller.reading.accuracy, classes)
    sentences = [_said(budget, controller, reason)]
    if tested:
        sentences.append(
            f"Test accuracy {last.test_accuracy:.2%}, {before.test_accuracy:.2%} after epoch {before.epoch},"
            " the last before pruning"
        )
    sentences += [] if warning is None else [warning]
    return BudgetOutcome(
        quantity=budget.quantity,
        limit=budget.limit,
        value=controller.reading.value,
        unit=budget.unit,
        hardware=budget.hardware,
        cost_set=budget.cost_set,
        met=controller.met,
        reason=reason,
        measured_on=_measured_on(config),
        accuracy=controller.reading.accuracy,
        accuracy_before=controller.accuracy_before,
        test_accuracy=last.test_accuracy,
        test_accuracy_before=None if before is None else before.test_accuracy,
        accuracy_cost=cost,
        epoch_before=None if before is None else before.epoch,
        least_accuracy=controller.least_accuracy,
        held_epochs=controller.held_epochs,
        warning=warning,
        summary=". ".join(sentences) + ".",
    )


def _said(budget: Budget, controller: BudgetController, reason: str | None) -> str:
    outcome = "met" if controller.met else "not met"
    where = "/".join(name for name in (budget.hardware, budget.cost_set) if name)
    value, limit = budget.written(controller.reading.value), budget.written(budget.limit)
    said = f"Budget {outcome}: {value} of {limit}" + (f" on {where}" if where else "")
    return said if reason is None else f"{said}; {reason}"


def _reason(controller: BudgetController, frozen: bool) -> str | None:
    if controller.met:
        return None
    if controller.reading.value <= controller.limit:
        return f"the network exceeds a limit of the hardware: {controller.reading.violation}"
    if frozen:
        return "the structure is frozen"
    if controller.held:
        return (
            f"nothing more is pruned, since accuracy is {controller.reading.accuracy:.2%} on the samples that"
            f" the budget is measured on, below {controller.least_accuracy:.2%}"
        )
    if controller.exhausted:
        return "the floors, and the layers that are not pruned, leave no more to prune"
    return "the run ended on the way"


def _warning(accuracy: float | None, classes: int) -> str | None:
    if accuracy is None or accuracy > GUESSING / classes:
        return None
    return (
        f"Accuracy is down to {accuracy:.2%}, near that of guessing; set --min-accuracy, or a larger budget"
    )
