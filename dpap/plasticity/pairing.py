"""Pairs of presynaptic and postsynaptic neurons."""

import torch


def add_pairs(
    total: torch.Tensor, drive: torch.Tensor, pre: torch.Tensor, groups: int = 1, sign: float = 1
) -> torch.Tensor:
    """Add the products of every pair, summed over samples, in one matrix product a group.

    Parameters
    ----------
    total : Tensor of shape (post, pre / groups)
        Changed in place.
    drive : Tensor of shape (N, post)
        The postsynaptic factor.
    pre : Tensor of shape (N, pre)
        The presynaptic factor.
    groups : int
        Groups of a convolution: the outputs of each receive the inputs of that group alone.
    sign : float
        Factor of all products.

    Returns
    -------
    ``total``
    """
    if groups == 1:
        return total.addmm_(drive.T, pre, alpha=sign)
    post, inputs = total.shape
    grouped = total.view(groups, post // groups, inputs)
    grouped.baddbmm_(
        drive.T.reshape(groups, post // groups, len(drive)),
        pre.reshape(len(pre), groups, inputs).transpose(0, 1),
        alpha=sign,
    )
    return total
