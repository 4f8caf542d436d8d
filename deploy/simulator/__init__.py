"""The fast simulator: exact integers, many samples side by side."""

from deploy.simulator.block import Workspace, run_block
from deploy.simulator.plan import LayerPlan, plan
from deploy.simulator.streaming import Simulator

__all__ = ["LayerPlan", "Simulator", "Workspace", "plan", "run_block"]
