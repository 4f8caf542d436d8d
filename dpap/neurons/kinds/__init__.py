"""One module for each kind of neuron; a new one is found by being here."""

import pkgutil
from importlib import import_module

from dpap.neurons.neuron import Neuron


def _kinds() -> dict[str, type[Neuron]]:
    found = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Neuron) and value.__module__ == module.name:
                found[value.model_fields["type"].default] = value
    return found


NEURONS: dict[str, type[Neuron]] = _kinds()
"""The kinds of neurons by their ``type``."""
