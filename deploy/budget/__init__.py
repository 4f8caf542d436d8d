"""Measuring what a budget limits, of the network as it would be deployed."""

from deploy.budget.meter import BudgetMeter, budget_meter, budget_target

__all__ = ["BudgetMeter", "budget_meter", "budget_target"]
