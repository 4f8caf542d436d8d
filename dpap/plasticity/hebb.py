r"""Trace-based Hebbian plasticity.

.. math::
    H_{pre,post} = \sum_{\text{samples}} S_{pre}\, S_{post}

What fires together counts together: BCM (eq. 7) without its postsynaptic factor
:math:`S_{post} - \theta`, so that nothing is ever depressed. The paper names the rule for its ablation (Fig.
4H) and gives no equation; the product of the two final traces is the rule of Hebb (The Organization of
Behavior, 1949; reference 32 of Han et al. 2024) in the quantities that its own eq. 7 uses, so that the
ablation changes the rule and nothing else.
"""

import torch

from dpap.plasticity.importance import TracePlasticity, criterion
from dpap.plasticity.pairing import add_pairs


@criterion("hebb")
class Hebb(TracePlasticity):
    """Hebbian plasticity summed over an epoch; neurons by dendritic spines over it, as with BCM."""

    def gather(self, pre: torch.Tensor, post: torch.Tensor) -> None:
        """Add the products of a batch of final traces."""
        add_pairs(self.total, post, pre, self.groups)
        self.add_traces(post)
