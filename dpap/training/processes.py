"""The processes of a training: this one, or several that share every batch."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn


class Processes(ABC):
    """The processes that train a network, as each of them sees them.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    device : torch.device
        Of this process.
    """

    device: torch.device

    @property
    @abstractmethod
    def rank(self) -> int:
        """Number of this process, from 0."""

    @abstractmethod
    def wrap(self, network: nn.Module) -> Any:
        """The module that is called in place of the network in training."""

    @abstractmethod
    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the loss, averaged over processes."""

    @abstractmethod
    def synchronize(self, network: nn.Module) -> None:
        """Give all processes the same statistics of batch normalisation."""

    @abstractmethod
    def barrier(self) -> None:
        """Wait for the others."""

    @abstractmethod
    def stop(self) -> None:
        """End the others, where this process failed."""


class OneProcess(Processes):
    """A process that trains alone.

    Parameters
    ----------
    device : torch.device, optional
        By default the CPU.
    """

    rank = 0

    def __init__(self, device: torch.device | None = None):
        self.device = device or torch.device("cpu")

    def wrap(self, network: nn.Module) -> Any:
        """The network itself."""
        return network

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the loss."""
        loss.backward()

    def synchronize(self, network: nn.Module) -> None:
        """There are no others."""

    def barrier(self) -> None:
        """There are no others."""

    def stop(self) -> None:
        """There are no others."""
