"""Sums over the processes that train one network together, each on a part of every batch.

Where there is one process these return what they are given. Every process has to call them, and in the same
order.

A sample's part of a batch follows from its position: with R processes, rank r takes the positions r, r + R,
r + 2 R, ... of the batch, as :class:`torch.utils.data.DistributedSampler` deals them out.
"""

from collections.abc import Sequence

import torch


def ranks() -> int:
    """Processes that train together, R."""
    return torch.distributed.get_world_size() if _together() else 1


def rank() -> int:
    """Number of this process, from 0 to R - 1."""
    return torch.distributed.get_rank() if _together() else 0


def _together() -> bool:
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


@torch.no_grad()
def sum_over_ranks(values: torch.Tensor) -> torch.Tensor:
    """Sum of the processes' tensors, in place; they have one shape."""
    if ranks() > 1:
        torch.distributed.all_reduce(values)
    return values


@torch.no_grad()
def mean_over_ranks(samples: torch.Tensor) -> torch.Tensor:
    """Mean of all processes' samples ``(N, F)``, of which a process may have none; ``(F,)``.

    What travels is one vector and a number.
    """
    if ranks() == 1:
        return samples.mean(0)
    count = samples.new_full((1,), len(samples))
    total = sum_over_ranks(torch.cat([samples.sum(0), count]))
    return total[:-1] / total[-1]


def most_over_ranks(number: int, device: torch.device | None = None) -> int:
    """The largest of the processes' numbers."""
    if ranks() == 1:
        return number
    largest = torch.tensor(number, device=device)
    torch.distributed.all_reduce(largest, op=torch.distributed.ReduceOp.MAX)
    return int(largest)


def largest_over_ranks(numbers: Sequence[float], device: torch.device | None = None) -> list[float]:
    """The largest of the processes' numbers, place by place; they need not be whole."""
    if ranks() == 1:
        return list(numbers)
    largest = torch.tensor(numbers, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(largest, op=torch.distributed.ReduceOp.MAX)
    return largest.tolist()
