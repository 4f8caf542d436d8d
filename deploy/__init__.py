"""Compiles trained, pruned networks to integers, runs them on Lava, and estimates their cost on hardware."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.budget import BudgetCostFunction, budget_cost_function
    from deploy.compiler.compilation import compile
    from deploy.errors import (
        ActivationOverflow,
        BackendError,
        BackendUnavailable,
        CompileError,
        ExportError,
        FormatError,
        HardwareError,
    )
    from deploy.formats.h5 import load
    from deploy.formats.nir import from_nir
    from deploy.formats.recording import load_recording
    from deploy.formats.registry import export
    from deploy.hardware import Comparison, Estimate, compare, estimate, list_hardware, load_hardware
    from deploy.hardware.stopping import early_exit, stop_when_confident
    from deploy.ir import Graph
    from deploy.measurement.measurement import Measurement, measure
    from deploy.recording import Recording
    from deploy.runner import run
    from deploy.simulator import Simulator
    from deploy.verification.verification import Certificate, certify, verify

_MODULES = {
    "deploy.budget": ("BudgetCostFunction", "budget_cost_function"),
    "deploy.compiler": ("compile",),
    "deploy.errors": (
        "ActivationOverflow",
        "BackendError",
        "BackendUnavailable",
        "CompileError",
        "ExportError",
        "FormatError",
        "HardwareError",
    ),
    "deploy.formats.h5": ("load",),
    "deploy.formats.nir": ("from_nir",),
    "deploy.formats.recording": ("load_recording",),
    "deploy.formats.registry": ("export",),
    "deploy.ir": ("Graph",),
    "deploy.hardware": ("Comparison", "Estimate", "compare", "estimate", "list_hardware", "load_hardware"),
    "deploy.measurement": ("Measurement", "measure"),
    "deploy.recording": ("Recording",),
    "deploy.runner": ("run",),
    "deploy.simulator": ("Simulator",),
    "deploy.hardware.stopping": ("early_exit", "stop_when_confident"),
    "deploy.verification": ("Certificate", "certify", "verify"),
}

_OLD_NAMES = {"BudgetMeter": "BudgetCostFunction", "budget_meter": "budget_cost_function"}  # old name

_ORIGINS = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "ActivationOverflow",
    "BackendError",
    "BackendUnavailable",
    "BudgetCostFunction",
    "Certificate",
    "Comparison",
    "CompileError",
    "Estimate",
    "ExportError",
    "FormatError",
    "Graph",
    "HardwareError",
    "Measurement",
    "Recording",
    "Simulator",
    "budget_cost_function",
    "certify",
    "compare",
    "compile",
    "early_exit",
    "estimate",
    "export",
    "from_nir",
    "list_hardware",
    "load",
    "load_hardware",
    "load_recording",
    "measure",
    "run",
    "stop_when_confident",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line answers without torch."""
    if name in _OLD_NAMES:
        from dpap.errors.renamed import old_names

        return old_names(__name__, _OLD_NAMES)(name)
    if name not in _ORIGINS:
        raise AttributeError(f"module 'deploy' has no attribute {name!r}")
    value = getattr(import_module(_ORIGINS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, also those that were not used yet."""
    return sorted({*globals(), *__all__})
