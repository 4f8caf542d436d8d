"""Changes of a network's input, for layers that add them up."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class InputDeltaEncoder:
    """What sends changes of a network's input, for layers that add them up.

    Attributes
    ----------
    gain : int
        Messages for an input of 1.
    threshold : int
        What a change must reach to be sent, in messages.
    """

    gain: int = 1
    threshold: int = 1

    def messages(self, inputs: np.ndarray) -> np.ndarray:
        """Changes that are sent, int32.

        Parameters
        ----------
        inputs : integer array of shape (samples, steps, *shape)
        """
        sent = np.zeros(inputs.shape, np.int32)
        known = np.zeros((len(inputs), *inputs.shape[2:]), np.int32)
        for step in range(inputs.shape[1]):
            sent[:, step], known = self.step(inputs[:, step], known)
        return sent

    def step(self, inputs: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Changes of one step, and what listeners know after it, both int32.

        Parameters
        ----------
        inputs : integer array
        known : int32 array of the same shape
            What listeners knew before; 0 at first.
        """
        change = inputs.astype(np.int32) * self.gain - known
        change *= np.abs(change) >= self.threshold
        return change, known + change
