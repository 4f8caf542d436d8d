"""Running a graph on a backend."""

from typing import Any

import numpy as np

from deploy.backends import get_backend
from deploy.inputs import validate_inputs
from deploy.ir import Graph
from deploy.recording import Recording
from dpap.errors.expected_objects import expect


def run(graph: Graph, inputs: np.ndarray, backend: str = "fast", **options: Any) -> Recording:
    """Run samples and record the spikes of every layer.

    Parameters
    ----------
    graph : Graph
    inputs : array of shape (N, T, *input_shape)
        Whole numbers from 0 to ``graph.input_max``.
    backend : str
        ``fast`` (vectorised integer simulator), ``lava`` (Lava's CPU simulator) or ``loihi2``.
    **options
        Of the backend. For ``fast`` and ``lava``: the ``memory_bytes`` to work in, the layers to ``record``,
        and ``progress``, a callable that is given the samples done and their number. For all ``on_overflow``:
        ``raise`` (the default) or ``wrap``, where a current leaves its 24 bits. For ``lava`` a
        ``time_limit`` in seconds. For ``fast`` (:func:`deploy.backends.fast.run`): ``threads``, ``record_to``
        a file, the ``kernel``, and ``compiling``, a callable that receives what is compiled. For ``loihi2``
        see :func:`deploy.backends.loihi2.run`.

    Raises
    ------
    InputError
        The inputs do not fit the graph, or the backend is not known.
    ActivationOverflow
        A current leaves its 24 bits, and ``on_overflow`` is not ``wrap``; of sigma-delta units an activation
        its 32, or a message 24. Layer, neuron, sample and step are named.
    BackendUnavailable
        The backend cannot run here.
    BackendError
        The backend failed or ran out of time.
    """
    expect(graph, Graph, "graph", "deploy.run(graph, inputs)")
    runner = get_backend(backend)
    return runner(graph, validate_inputs(graph, inputs), **options)
