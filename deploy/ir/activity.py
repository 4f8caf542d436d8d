"""What the layers of a graph send: spikes, or changes of activations."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activity:
    """What is sent over synapses, in each step by each neuron.

    Attributes
    ----------
    name : str
        ``spikes`` or ``changes``.
    dtype : dtype
        Of an array of it.
    graded : bool
        Whether it is a whole number of any sign (a graded spike) and not 0 or 1.
    decision : str
        How the class of a sample is decided, in words.
    """

    name: str
    dtype: np.dtype
    graded: bool
    decision: str

    def scores(self, sent: np.ndarray) -> np.ndarray:
        """What speaks for each class after each step, int64.

        Parameters
        ----------
        sent : array of shape (N, T, classes)
            By the output layer.

        Returns
        -------
        int64 array of the same shape
            Spikes so far; of changes the activations so far, each of which is the sum of the changes until
            then.
        """
        total = sent.cumsum(axis=1, dtype=np.int64)
        return total.cumsum(axis=1) if self.graded else total


SPIKES = Activity("spikes", np.dtype(np.uint8), False, "of classes that fire alike the lowest is taken")

CHANGES = Activity(
    "changes",
    np.dtype(np.int32),
    True,
    "by activations summed over all steps; of equal ones the lowest class is taken",
)
