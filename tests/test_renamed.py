"""Names that were changed: the old ones still work, and warn with the new one."""

import importlib

import pytest
from factories import firing_network

import deploy
import dpap
from dpap.errors.renamed import old_arguments, old_names, old_property

NAMES = {
    "dpap.pruning": {
        "BudgetSteering": "BudgetController",
        "Development": "PruningHistory",
        "DevelopmentRecord": "RecordedPruningHistory",
        "Measure": "CostFunction",
        "Reading": "CostReading",
        "living_masks": "alive_masks",
        "read_development": "read_pruning_history",
    },
    "dpap.training": {"Learning": "Trainer"},
    "dpap.blocks": {"RectifiedIntegers": "ReLUIntegers"},
    "dpap.slayer.sigma_delta": {"DeltaEncoder": "SlayerDeltaEncoder"},
    "deploy": {"BudgetMeter": "BudgetCostFunction", "budget_meter": "budget_cost_function"},
    "deploy.budget": {"BudgetMeter": "BudgetCostFunction", "budget_meter": "budget_cost_function"},
    "deploy.ir": {"DeltaEncoder": "InputDeltaEncoder"},
}


@pytest.mark.parametrize(
    ("module", "old", "new"), [(module, *pair) for module, names in NAMES.items() for pair in names.items()]
)
def test_an_old_name_is_bound_to_the_new_object(module, old, new):
    package = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{old} has a new name: use {module}\.{new}"):
        found = getattr(package, old)
    assert found is getattr(package, new)
    assert new in package.__all__ and old not in package.__all__


def test_the_old_module_of_graphs_has_the_old_names_too():
    with pytest.warns(DeprecationWarning, match=r"use deploy\.ir\.InputDeltaEncoder"):
        from deploy.graph import DeltaEncoder
    assert DeltaEncoder is deploy.ir.InputDeltaEncoder


def test_a_name_that_never_was():
    with pytest.raises(AttributeError, match="module 'somewhere' has no attribute 'c'"):
        old_names("somewhere", {"a": "b"})("c")


def test_the_warning_points_to_the_caller():
    class Thing:
        new = 3
        old = old_property("old", "new")

    @old_arguments(old="new")
    def twice(new):
        return 2 * new

    with pytest.warns(DeprecationWarning, match=r"Thing\.old has a new name: use Thing\.new") as first:
        assert Thing().old == 3
    with pytest.warns(DeprecationWarning, match=r"twice\(old=\.\.\.\) has a new name: use new=") as second:
        assert twice(old=4) == 8
    assert twice(5) == twice(new=5) == 10
    assert [record.filename for record in (*first, *second)] == [__file__, __file__]


def test_attributes_and_arguments_by_their_old_names():
    network = firing_network("6FC-4FC", (5,), 4)
    config = dpap.DPAPConfig(target=dpap.TargetConfig(budget="synops=1", epochs=4))
    with pytest.warns(DeprecationWarning, match="cost_function="):
        pruner = dpap.DPAP(network, config, measure=lambda _: 1.0)
    with pytest.warns(DeprecationWarning, match=r"DPAP\.controller"):
        assert pruner.steering is pruner.controller
    with pytest.warns(DeprecationWarning, match=r"DPAP\.alive_masks"):
        assert list(pruner.life) == list(pruner.layers)
