"""The neurons of a layer, in the integers that run: one module for each kind.

A new kind is found by being here.
"""

import pkgutil
from dataclasses import is_dataclass
from importlib import import_module

from deploy.ir.neurons.cuba_lif import CubaLIF
from deploy.ir.neurons.maximum import Maximum
from deploy.ir.neurons.neuron import Neuron
from deploy.ir.neurons.sigma_delta import SigmaDelta


def _kinds() -> dict[str, type[Neuron]]:
    found: dict[str, type[Neuron]] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Neuron) and is_dataclass(value):
                found[value.kind] = value
    return found


NEURONS: dict[str, type[Neuron]] = _kinds()
"""The kinds of neurons by their ``kind``."""

DEPLOYED: dict[str, type[Neuron]] = {
    kind.learned: kind for kind in NEURONS.values() if kind.learned is not None
}
"""Those by the ``type`` of the neuron in :mod:`dpap.neurons` that they deploy."""

__all__ = ["DEPLOYED", "NEURONS", "CubaLIF", "Maximum", "Neuron", "SigmaDelta"]
