"""The Loihi 2 backend. Without the board there is no number."""

import numpy as np

from deploy.errors import BackendUnavailable
from deploy.graph import Graph


def run(graph: Graph, inputs: np.ndarray, **options):
    """Run on Loihi 2 hardware.

    Raises
    ------
    BackendUnavailable
        Always, in this version.
    """
    raise BackendUnavailable(
        "backend 'loihi2' needs Intel's Loihi extension for Lava and a board, and this version does not"
        " drive them yet; use 'lava' or 'fast', which compute the same spikes"
    )
