"""The processes of a training: this one, or several that share every batch."""

from typing import Any

import torch
from torch import nn


class OneProcess:
    """A process that trains alone.

    :class:`dpap.training.distributed.FabricProcesses` is the same for several.

    Parameters
    ----------
    device : torch.device, optional
        By default the CPU.

    Attributes
    ----------
    rank : int
        Number of the process, from 0.
    device : torch.device
    """

    rank = 0

    def __init__(self, device: torch.device | None = None):
        self.device = device or torch.device("cpu")

    def wrap(self, network: nn.Module) -> Any:
        """The module that is called in place of the network in training."""
        return network

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the loss, averaged over processes."""
        loss.backward()

    def synchronize(self, network: nn.Module) -> None:
        """Give all processes the same statistics of batch normalisation."""

    def barrier(self) -> None:
        """Wait for the others."""

    def stop(self) -> None:
        """End the others, where this process failed."""
