"""Training on several processes or machines, by Lightning Fabric.

Importing this module takes seconds; it is imported when there are several processes.
"""

from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import TorchElasticEnvironment
from lightning.fabric.strategies import DDPStrategy
from torch import nn

from dpap.blocks.norm import BatchNorm
from dpap.reduction import ranks, sum_over_ranks
from dpap.training.processes import OneProcess


class FabricProcesses(OneProcess):
    """Processes that share every batch, and average their gradients (DDP).

    Each process of one machine is started here, by running the same command again, unless ``torchrun``
    started them. On several machines the command is run once on each, with the environment variables
    ``MASTER_ADDR``, ``MASTER_PORT`` and ``NODE_RANK``.

    Batch normalisation takes each process's part of a batch for itself; its running statistics are
    averaged after each epoch.

    Parameters
    ----------
    accelerator : str
        ``cpu``, ``cuda`` or ``mps``, or ``auto``.
    devices, nodes : int
        Processes on each machine, and machines; ``torchrun`` overrides them.
    """

    def __init__(self, accelerator: str, devices: int, nodes: int):
        if TorchElasticEnvironment.detect():
            devices, nodes = _started_by_torchrun()
        # Masks and statistics are the same in all processes after every epoch; they need not be sent.
        strategy = DDPStrategy(broadcast_buffers=False)
        self._fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=strategy)
        self._fabric.launch()
        super().__init__(self._fabric.device)

    @property
    def rank(self) -> int:
        """Number of the process, from 0."""
        return self._fabric.global_rank

    def wrap(self, network: nn.Module) -> Any:
        """The network in DDP; what observes the network's blocks sees its passes."""
        return self._fabric.setup_module(network)

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the loss, averaged over processes."""
        self._fabric.backward(loss)

    @torch.no_grad()
    def synchronize(self, network: nn.Module) -> None:
        """Average the running statistics of batch normalisation."""
        for module in network.modules():
            if isinstance(module, BatchNorm):
                for statistic in (module.running_mean, module.running_var):
                    sum_over_ranks(statistic).div_(ranks())

    def barrier(self) -> None:
        """Wait for the others."""
        self._fabric.barrier()


def _started_by_torchrun() -> tuple[int, int]:
    import os

    devices = int(os.environ["LOCAL_WORLD_SIZE"])
    return devices, int(os.environ["WORLD_SIZE"]) // devices
