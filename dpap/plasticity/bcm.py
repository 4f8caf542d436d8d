r"""Trace-based BCM (Bienenstock, Cooper and Munro) plasticity.

.. math::
    BCM^b_{pre,post} = \sum_{\text{samples}} S_{pre}\, S_{post}\, (S_{post} - \theta) \qquad (7)

A synapse is potentiated where its neuron is more active than its history, in proportion to the
presynaptic trace, and depressed where it is less. :math:`\theta` is the sliding threshold
(:mod:`dpap.plasticity.threshold`). Source: Han et al. 2024, eq. 7 to 10.
"""

from typing import Any

import torch

from dpap.plasticity.importance import Constants, Synapses, TracePlasticity, criterion
from dpap.plasticity.pairing import add_pairs
from dpap.plasticity.threshold import SlidingThreshold, SlotThreshold
from dpap.plasticity.trace_kernels import slide_and_drive
from dpap.runtime.reduction import ranks
from dpap.state import Shape


def bcm(
    pre_trace: torch.Tensor,
    post_trace: torch.Tensor,
    threshold: torch.Tensor,
    total: torch.Tensor | None = None,
    groups: int = 1,
) -> torch.Tensor:
    """Plasticity of every pair over a batch (eq. 7), as one matrix product.

    Parameters
    ----------
    pre_trace : Tensor of shape (N, pre)
    post_trace : Tensor of shape (N, post)
    threshold : Tensor of shape (post,) or (N, post)
    total : Tensor of shape (post, pre / groups), optional
        Plasticity of earlier batches, which this one is added to in place (eq. 10).
    groups : int
        Groups of a convolution.

    Returns
    -------
    Tensor of shape (post, pre / groups)
        ``total`` where it was given.
    """
    if total is None:
        total = post_trace.new_zeros(post_trace.shape[1], pre_trace.shape[1] // groups)
    return add_pairs(total, post_trace * (post_trace - threshold), pre_trace, groups)


@criterion("bcm")
class BCM(TracePlasticity):
    """BCM summed over an epoch (eq. 10), DPAP's measure of importance.

    Attributes
    ----------
    threshold : SlidingThreshold or SlotThreshold
        Of the postsynaptic traces.
    """

    def __init__(self, block: Synapses, constants: Constants):
        super().__init__(block, constants)
        kind = SlidingThreshold if constants.threshold == "neuron" else SlotThreshold
        self.threshold = kind(self.post, self.device)

    def gather(self, pre: torch.Tensor, post: torch.Tensor) -> None:
        """Add the plasticity of a batch of final traces."""
        if isinstance(self.threshold, SlidingThreshold) and self._plain(pre, post):
            self._gather_compiled(pre, post)
            return
        before = None if self.constants.threshold_includes_batch else self.threshold.before(len(post))
        after = self.threshold.update(post)
        bcm(pre, post, after if before is None else before, self.total, self.groups)
        self.add_traces(post)

    def _plain(self, pre: torch.Tensor, post: torch.Tensor) -> bool:
        """Whether the compiled kernel says the same: one process, on the CPU, and the paper's order."""
        on_host = post.is_cpu and post.dtype == pre.dtype == torch.float32 and len(post) > 0
        return on_host and self.constants.threshold_includes_batch and ranks() == 1

    def _gather_compiled(self, pre: torch.Tensor, post: torch.Tensor) -> None:
        post = post.contiguous()
        drive = torch.empty_like(post)
        self.threshold.batches += 1
        slide_and_drive(
            post.numpy(),
            self.threshold.value.numpy(),
            self.threshold.batches,
            drive.numpy(),
            self.trace_sum.numpy(),
        )
        add_pairs(self.total, drive, pre, self.groups)

    def reduce(self) -> None:
        """Add up the sums of all processes, and share the thresholds."""
        super().reduce()
        self.threshold.reduce()

    def state_dict(self) -> dict[str, Any]:
        """The sums and the threshold."""
        return super().state_dict() | self.threshold.state_dict()

    def _shapes(self) -> dict[str, Shape | None]:
        return super()._shapes() | self.threshold.shapes()

    def _take(self, state: dict[str, Any]) -> None:
        super()._take(state)
        self.threshold.take(state)
