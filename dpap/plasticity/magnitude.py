r"""Magnitude of the weights as importance.

.. math::
    M_{pre,post} = \sum_{\text{kernel}} |w|, \qquad M_{post} = \sum_{pre} M_{pre,post}

The criterion of most pruning of networks that are not spiking (Han, Pool, Tran and Dally 2015 for synapses;
Li, Kadav, Durdanovic, Samet and Graf 2017 for channels, by the same L1 norm). It needs no activity.
"""

import torch

from dpap.plasticity.importance import Importance, criterion


@criterion("magnitude")
class Magnitude(Importance):
    """L1 norm of the weights as they are at the end of the epoch."""

    observes = False

    def synapses(self) -> torch.Tensor:
        """Norm of each synapse, or of each kernel of a convolution."""
        return self.block.weight.detach().abs().reshape(self.post, self.pre, -1).sum(2)

    def neurons(self) -> torch.Tensor:
        """Norm of all incoming weights."""
        return self.block.weight.detach().flatten(1).abs().sum(1)
