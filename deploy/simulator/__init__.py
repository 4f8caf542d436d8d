"""The fast simulator: exact integers, many samples side by side."""

from deploy.simulator.block import Workspace, run_block
from deploy.simulator.plan import LayerPlan, plan

__all__ = ["LayerPlan", "Workspace", "plan", "run_block"]
