r"""Dropout of neurons.

.. math::
    x_i \leftarrow x_i\, \frac{m_i}{1 - p},\quad m_i \sim \mathrm{Bernoulli}(1 - p)

One :math:`m_i` a neuron and sample holds for all time steps. Source: Srivastava et al. 2014; that the mask
stays over time is as in lava-dl's ``slayer.neuron.Dropout``.
"""

import torch
from torch import nn

from dpap.errors import NetworkError

HIGHEST = 0.95
"""Beyond this the sums of what is left could leave 32 bits."""


class Dropout(nn.Module):
    """Silence each neuron with a probability, in training alone.

    What is left is scaled up, which makes fractions of whole numbers: the block behind rounds its sums.

    Parameters
    ----------
    probability : float
        From 0 to 0.95.

    Raises
    ------
    NetworkError
        The probability is out of range.
    """

    def __init__(self, probability: float):
        super().__init__()
        if not 0 <= probability <= HIGHEST:
            raise NetworkError(f"a dropout of {probability}; expected a probability from 0 to {HIGHEST}")
        self.probability = probability

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Tensors ``(T, N, *shape)`` to the same."""
        if not self.training or self.probability == 0:
            return inputs
        kept = torch.rand(inputs.shape[1:], device=inputs.device) >= self.probability
        return inputs * (kept / (1 - self.probability))

    def extra_repr(self) -> str:
        """Probability, for the module's printed form."""
        return f"{self.probability}"
