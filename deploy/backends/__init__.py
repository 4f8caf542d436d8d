"""Backends, which run graphs. Each is one module with ``run(graph, inputs, **options) -> Recording``.

A new backend is a module and one line in :data:`BACKENDS`; modules are imported when they are used.
"""

from collections.abc import Callable
from importlib import import_module

from dpap.errors import InputError
from dpap.errors.known_names import suggestion

BACKENDS = {
    "fast": "deploy.backends.fast",
    "lava": "deploy.backends.lava",
    "loihi2": "deploy.backends.loihi2",
}
"""Module of each backend by name."""


def get_backend(name: str) -> Callable:
    """The ``run`` function of a backend.

    Raises
    ------
    InputError
        There is no backend of that name.
    """
    if name not in BACKENDS:
        raise InputError(
            f"backend {name!r} is not known; use one of {', '.join(BACKENDS)}{suggestion(name, BACKENDS)}"
        )
    return import_module(BACKENDS[name]).run
