r"""Trace-based BCM (Bienenstock, Cooper and Munro) plasticity with its sliding threshold.

.. math::
    BCM^b_{pre,post} &= \sum_{\text{samples}} S_{pre}\, S_{post}\, (S_{post} - \theta) & (7) \\
    \theta &\leftarrow \frac{\theta\,(n - 1) + \overline{S_{post}}}{n} & (8)

A synapse is potentiated where its neuron is more active than its history, in proportion to the
presynaptic trace, and depressed where it is less. ``n`` counts all batches since learning began (9).
Source: Han et al. 2024, eq. 7 to 9. The authors' code keeps a threshold for each position in the batch; here
each neuron has one, the mean over the batch in :math:`\overline{S_{post}}`.
"""

import torch


class SlidingThreshold:
    """Running mean of each postsynaptic trace over all batches since learning began (eq. 8, 9).

    Attributes
    ----------
    value : Tensor of shape (post,)
        The threshold.
    batches : int
        Batches seen.
    """

    def __init__(self, neurons: int, device: torch.device | None = None):
        self.value = torch.zeros(neurons, device=device)
        self.batches = 0

    def update(self, post_trace: torch.Tensor) -> torch.Tensor:
        """Take in one batch of traces ``(N, post)`` and return the new threshold."""
        self.batches += 1
        self.value += (post_trace.mean(0) - self.value) / self.batches
        return self.value


def bcm(
    pre_trace: torch.Tensor,
    post_trace: torch.Tensor,
    threshold: torch.Tensor,
    total: torch.Tensor | None = None,
) -> torch.Tensor:
    """Plasticity of every pair over a batch (eq. 7), as one matrix product.

    Parameters
    ----------
    pre_trace : Tensor of shape (N, pre)
    post_trace : Tensor of shape (N, post)
    threshold : Tensor of shape (post,)
    total : Tensor of shape (post, pre), optional
        Plasticity of earlier batches, which this one is added to in place (eq. 10).

    Returns
    -------
    Tensor of shape (post, pre)
        ``total`` where it was given.
    """
    drive = (post_trace * (post_trace - threshold)).T
    return drive @ pre_trace if total is None else total.addmm_(drive, pre_trace)
