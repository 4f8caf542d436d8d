"""Training of spiking networks with pruning, in the integers that hardware runs.

The package trains; :mod:`deploy` compiles, runs and measures what it trained.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dpap.runtime.kernel_cache import ensure_writable
from dpap.runtime.lava_import import let_lava_be_imported

if sys.version_info[:2] != (3, 10):
    raise ImportError(
        f"dpap needs Python 3.10, since Lava exists for no other; this is {sys.version.split()[0]}."
        " `uv run dpap` brings the right one."
    )

ensure_writable()
let_lava_be_imported()

if TYPE_CHECKING:
    from dpap import data, encoders, networks, neurons, plasticity, pruning, slayer
    from dpap.errors import (
        ActivationOverflow,
        ConversionWarning,
        DataError,
        InputError,
        NetworkError,
        PrecisionWarning,
        PruningWarning,
        TrainingError,
    )
    from dpap.neurons import LIF, ReLU
    from dpap.post_training.quantize import quantize
    from dpap.post_training.scale_calibration import calibrate
    from dpap.pruning import (
        DPAP,
        SDSNN,
        DPAPConfig,
        FloorConfig,
        LayerConfig,
        Pruner,
        ScheduleConfig,
        SDSNNConfig,
        StructureConfig,
        SurvivalConfig,
        TargetConfig,
    )
    from dpap.slayer import from_slayer, to_slayer

__version__ = "0.1.0"

_MODULES = {
    "dpap.post_training.scale_calibration": ("calibrate",),
    "dpap.errors": (
        "ActivationOverflow",
        "ConversionWarning",
        "DataError",
        "InputError",
        "NetworkError",
        "PrecisionWarning",
        "PruningWarning",
        "TrainingError",
    ),
    "dpap.neurons": ("LIF", "ReLU"),
    "dpap.post_training": ("quantize",),
    "dpap.pruning": (
        "DPAP",
        "DPAPConfig",
        "FloorConfig",
        "LayerConfig",
        "Pruner",
        "SDSNN",
        "SDSNNConfig",
        "ScheduleConfig",
        "StructureConfig",
        "SurvivalConfig",
        "TargetConfig",
    ),
    "dpap.slayer": ("from_slayer", "to_slayer"),
}

_ORIGINS = {name: module for module, names in _MODULES.items() for name in names}

_SUBMODULES = (
    "blocks",
    "checkpoint",
    "data",
    "encoders",
    "networks",
    "neurons",
    "notation",
    "plasticity",
    "pruning",
    "slayer",
    "training",
)

__all__ = [
    "DPAP",
    "LIF",
    "SDSNN",
    "ActivationOverflow",
    "ConversionWarning",
    "DPAPConfig",
    "DataError",
    "FloorConfig",
    "InputError",
    "LayerConfig",
    "NetworkError",
    "PrecisionWarning",
    "Pruner",
    "PruningWarning",
    "ReLU",
    "SDSNNConfig",
    "ScheduleConfig",
    "StructureConfig",
    "SurvivalConfig",
    "TargetConfig",
    "TrainingError",
    "calibrate",
    "data",
    "encoders",
    "from_slayer",
    "networks",
    "plasticity",
    "pruning",
    "quantize",
    "slayer",
    "to_slayer",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that errors and help do not wait for torch."""
    if name in _SUBMODULES:
        return import_module(f"dpap.{name}")
    if name in _ORIGINS:
        value = getattr(import_module(_ORIGINS[name]), name)
    elif name[0].isupper() and name in (kinds := _neuron_kinds()):
        value = kinds[name]
    else:
        raise AttributeError(f"module 'dpap' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, also those that were not used yet."""
    # Kinds of neurons are known when they have been imported, which takes torch.
    kinds = _neuron_kinds() if "dpap.neurons" in sys.modules else ()
    return sorted({*globals(), *__all__, *_SUBMODULES, *kinds})


def _neuron_kinds() -> "dict[str, type[neurons.Neuron]]":
    """The kinds of neurons by the names of their classes."""
    return {kind.__name__: kind for kind in import_module("dpap.neurons").NEURONS.values()}
