r"""Dendritic spine plasticity, the importance of a neuron.

.. math::
    D^e_{post} = \sum_{b} S_{post} \; \sum_{pre} BCM^e_{pre,post} \qquad (11)

Source: Han et al. 2024, eq. 11; the first sum runs over the epoch's batches and their samples.
"""

import torch


def spine_plasticity(post_trace_sum: torch.Tensor, plasticity: torch.Tensor) -> torch.Tensor:
    """Spine plasticity of an epoch.

    Parameters
    ----------
    post_trace_sum : Tensor of shape (post,)
        Postsynaptic traces summed over the epoch.
    plasticity : Tensor of shape (post, pre)
        BCM summed over the epoch (eq. 10).

    Returns
    -------
    Tensor of shape (post,)
    """
    return post_trace_sum * plasticity.sum(1)
