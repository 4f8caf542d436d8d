"""Cost functions of budgets, measured on the compiled network."""

from deploy.budget.cost_function import BudgetCostFunction, budget_cost_function, budget_target
from dpap.errors.renamed import old_names

__all__ = ["BudgetCostFunction", "budget_cost_function", "budget_target"]

__getattr__ = old_names(
    __name__,
    {"BudgetMeter": "BudgetCostFunction", "budget_meter": "budget_cost_function"},  # old name
)
