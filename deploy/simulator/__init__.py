"""The fast simulator: exact integers, many samples side by side."""

from deploy.simulator.block import Workspace, run_block
from deploy.simulator.choice import KernelChoice
from deploy.simulator.cost_file import load_costs, save_costs
from deploy.simulator.costs import KERNELS, KernelCosts, KernelName
from deploy.simulator.plan import LayerPlan, plan
from deploy.simulator.streaming import Simulator

__all__ = [
    "KERNELS",
    "KernelChoice",
    "KernelCosts",
    "KernelName",
    "LayerPlan",
    "Simulator",
    "Workspace",
    "calibrate",
    "load_costs",
    "plan",
    "run_block",
    "save_costs",
]


def calibrate(repeats: int = 3, seed: int = 0) -> KernelCosts:
    """Measure this machine; see :func:`deploy.simulator.calibration.calibrate`."""
    from deploy.simulator.calibration import calibrate as measure

    return measure(repeats, seed)
