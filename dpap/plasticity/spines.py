r"""Dendritic spine plasticity, the importance of a neuron.

.. math::
    D^e_{post} = \sum_{b} S_{post} \; \sum_{pre} BCM^e_{pre,post} \qquad (11)

Source: Han et al. 2024, eq. 11; the first sum runs over the epoch's batches and their samples. The authors'
code multiplies the two after each is brought to [0, 1] over the layer.
"""

import torch


def spine_plasticity(post_trace_sum: torch.Tensor, plasticity: torch.Tensor) -> torch.Tensor:
    """Spine plasticity of an epoch (eq. 11).

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


def unit_spine_plasticity(post_trace_sum: torch.Tensor, plasticity: torch.Tensor) -> torch.Tensor:
    """The authors' code's form, ``unit(sum of BCM) * unit(sum of traces)``; shapes as above."""
    return unit(plasticity.sum(1)) * unit(post_trace_sum)


def unit(values: torch.Tensor) -> torch.Tensor:
    """Values brought linearly to [0, 1], or all 0.5 where they are equal (the authors' code)."""
    if values.numel() == 0:
        return values.clone()
    low, high = torch.aminmax(values)
    if not high > low:
        return torch.full_like(values, 0.5)
    return (values - low) / (high - low)
