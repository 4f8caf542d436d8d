"""Cost functions of budgets: a network is compiled, run on samples, measured, and mapped or priced."""

import numpy as np
from torch import nn

from deploy.budget.allotment import add_cores
from deploy.budget.energy import add_energy, add_synops
from deploy.budget.units import Units
from deploy.compiler.compilation import compile
from deploy.errors import HardwareError
from deploy.hardware import check_graph, estimate, map_graph
from deploy.hardware.config import Hardware
from deploy.hardware.estimate import chosen_target
from deploy.hardware.operations import OperationCosts
from deploy.hardware.quantity import UNITS, quantities
from deploy.ir import Graph
from deploy.measurement.measurement import Measurement, measure
from deploy.recording import Recording
from deploy.runner import run
from dpap.errors import InputError
from dpap.pruning import Budget, CostReading, parse_budget

NEVER_PRICED = ("barrier.energy",)
"""Energies that no estimate needs, since no source gives them; it says so in its assumptions."""


def budget_target(budget: Budget) -> Hardware | None:
    """The hardware of a budget, with the cost set that it names alone; None where it needs none.

    Raises
    ------
    HardwareError
        There is no such hardware or cost set, it has several and none is named, neurons are not placed on it
        one by one, a cost is unknown, or pruning does not change what it counts.
    """
    if budget.quantity == "synops":
        return None
    target = chosen_target(budget.hardware, budget.cost_set)
    if budget.quantity == "cores":
        if not target.places_neurons:
            raise HardwareError(
                f"budget of cores: neurons are not placed on the cores of {target.name} one by one, so that"
                " their number is not known; use loihi1, or a target of that structure"
            )
        return target
    if len(target.cost_sets) > 1:
        known = " or ".join(f"{budget.hardware}/{name}" for name in target.cost_sets)
        raise HardwareError(
            f"budget of energy: {target.name} has several cost sets, which are never mixed; name one, {known}"
        )
    ((name, costs),) = target.cost_sets.items()
    for path, quantity in quantities(costs):
        if UNITS[quantity.unit][0] == "energy" and not quantity.known and path not in NEVER_PRICED:
            raise HardwareError(
                f"budget of energy: {path} of {target.name}/{name} is unknown ({quantity.source}), so that"
                " energies are lower bounds, which prove no budget met; use another target, such as loihi1"
            )
    if isinstance(costs, OperationCosts) and costs.counting == "every_synapse":
        raise HardwareError(
            f"budget of energy: {target.name}/{name} prices every synapse that the network had before"
            " pruning, so that pruning does not change it; use another target, such as loihi1"
        )
    return target


class BudgetCostFunction:
    """The cost function of a budget: a :class:`dpap.pruning.CostFunction`.

    The network is compiled, run on the fast simulator, measured, and mapped or priced, as
    :func:`deploy.compile`, :func:`deploy.run`, :func:`deploy.measure` and :func:`deploy.estimate` do it.

    Parameters
    ----------
    budget : Budget
    inputs : array of shape (N, T, *input_shape)
        Samples to measure on, whole numbers; not of the test part.
    labels : int array of shape (N,), optional
        Without them no accuracy is measured.
    left_out : tuple of str
        Layers that are not pruned, so that a budget of cores does not wait for theirs.

    Raises
    ------
    HardwareError
        The budget's hardware does not do; see :func:`budget_target`.
    InputError
        There are no samples, or not as many labels.
    """

    def __init__(
        self,
        budget: Budget,
        inputs: np.ndarray,
        labels: np.ndarray | None = None,
        left_out: tuple[str, ...] = (),
    ):
        self.budget, self.target = budget, budget_target(budget)
        self._inputs, self._labels, self._left_out = inputs, labels, left_out
        if not len(inputs):
            raise InputError("a budget is measured on 0 samples; give at least one")
        if labels is not None and np.shape(labels) != (len(inputs),):
            raise InputError(
                f"a budget is measured on {len(inputs)} samples with labels of shape {np.shape(labels)};"
                " expected one for each"
            )

    def __call__(self, network: nn.Module) -> CostReading:
        """Measure a network; see :class:`dpap.pruning.CostReading`.

        Raises
        ------
        InputError
            It is of units that send changes of activations.
        """
        graph = compile(network)
        if graph.activity.graded:
            raise InputError(
                f"a budget of {self.budget.quantity} is for networks of spiking neurons, and these units send"
                " changes; give a pruning_rate as the target"
            )
        # Training continues where a current leaves its range: it wraps, as on Lava.
        recording = run(graph, self._inputs, on_overflow="wrap")
        units = Units(network, graph, self._left_out)
        if self.budget.quantity == "cores":
            value, fixed, violation = self._cores(units, graph)
        else:
            value, fixed, violation = self._operations(units, recording, measure(graph, recording))
        accuracy = None if self._labels is None else recording.accuracy(self._labels)
        return CostReading(value, accuracy, units.prices, fixed, violation)

    def _cores(self, units: Units, graph: Graph) -> tuple[float, float, str | None]:
        target = self.target
        mapping = map_graph(graph, target.structure, target.synapse_format)
        fixed = add_cores(units, graph, target, mapping, int(self.budget.limit))
        return float(mapping.cores), fixed, _first(check_graph(graph, target, mapping))

    def _operations(
        self, units: Units, recording: Recording, measurement: Measurement
    ) -> tuple[float, float, str | None]:
        violation = None
        if self.budget.quantity == "synops":
            value = measurement.total("synops_effective") / measurement.samples
            add_synops(units, measurement)
        else:
            priced = estimate(measurement, self.target)
            violation = _first(priced.violations)
            (costs,) = priced.cost_sets.values()
            value = costs.dynamic_energy
            add_energy(units, measurement, priced, costs)
        return value, max(value - units.total(), 0.0), violation


def budget_cost_function(
    budget: Budget | str,
    inputs: np.ndarray,
    labels: np.ndarray | None = None,
    left_out: tuple[str, ...] = (),
) -> BudgetCostFunction:
    """Make the cost function of a budget, for ``dpap.DPAP(net, config, cost_function=...)``.

    Parameters
    ----------
    budget : Budget or str
        That of ``config.target.budget``, as text too: ``energy=5uJ:loihi1/sanafe_fit``.
    inputs, labels, left_out
        As for :class:`BudgetCostFunction`.

    Raises
    ------
    InputError
        The budget, its hardware or the samples are wrong.
    """
    return BudgetCostFunction(
        parse_budget(budget) if isinstance(budget, str) else budget, inputs, labels, left_out
    )


def _first(violations: tuple) -> str | None:
    return str(violations[0]) if violations else None
