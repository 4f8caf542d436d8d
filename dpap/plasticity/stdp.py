r"""Pair-based spike-timing-dependent plasticity, by traces.

.. math::
    STDP_{pre,post} = \sum_{\text{samples}} \sum_t
        S_{pre}[t]\, o_{post}[t] - o_{pre}[t]\, \tau\, S_{post}[t-1]

Every pair of spikes counts, by the traces of eq. 5 and 6 with their one decay :math:`\tau` and unit
amplitudes: a postsynaptic spike potentiates by the presynaptic trace, a presynaptic spike depresses by the
postsynaptic one. Spikes of one step are causal, since a presynaptic spike acts in the step in which it
arrives; so the presynaptic trace includes the present step and the postsynaptic one, which has decayed by
:math:`\tau` since the step before, does not. With equal spike counts on both sides only the order decides.

The paper names STDP for its ablation (Fig. 4H) and gives no equation. The form is the all-to-all pair rule of
Song, Miller and Abbott (2000) in its online form with one trace a side (Morrison, Diesmann and Gerstner 2008,
section 4.1), on the traces that DPAP has. Products of *final* traces could not distinguish which spike was
first. A convolution's channel is one population: its spikes of a step are summed over positions.
"""

import torch

from dpap.plasticity.importance import TracePlasticity, criterion
from dpap.plasticity.pairing import add_pairs
from dpap.plasticity.traces import population, trace_history


@criterion("stdp")
class STDP(TracePlasticity):
    """STDP summed over an epoch; neurons by dendritic spines over it, as with BCM.

    It keeps every step of a batch where the other rules keep one trace, and its matrix products are T
    times as large.
    """

    def summarize(self, activity: torch.Tensor, steps: int) -> torch.Tensor:
        """The population activity of every step, ``(N, T, F)``."""
        return population(activity).transpose(0, 1).expand(-1, steps, -1)

    def gather(self, pre: torch.Tensor, post: torch.Tensor) -> None:
        """Add the pairs of a batch."""
        tau = self.constants.trace_decay
        pre_trace, post_trace = trace_history(pre, tau), trace_history(post, tau)
        earlier = torch.zeros_like(post_trace)
        earlier[:, 1:] = tau * post_trace[:, :-1]
        add_pairs(self.total, post.flatten(0, 1), pre_trace.flatten(0, 1), self.groups)
        add_pairs(self.total, earlier.flatten(0, 1), pre.flatten(0, 1), self.groups, sign=-1)
        steps = post.shape[1] if self.constants.trace_per_step else 1
        self.add_traces(post_trace[:, -1] / steps)
