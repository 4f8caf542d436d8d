"""Training on several processes or machines, by Lightning Fabric.

Importing this module takes seconds; it is imported when there are several processes.
"""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import TorchElasticEnvironment
from lightning.fabric.strategies import DDPStrategy
from torch import nn

from dpap.blocks.norm import BatchNorm
from dpap.runtime.reduction import ranks, sum_over_ranks
from dpap.training.processes import Processes


class FabricProcesses(Processes):
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
        self._strategy = DDPStrategy(broadcast_buffers=False)
        self._fabric = Fabric(
            accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=self._strategy
        )
        try:
            with _holding_interruptions(), _without_notes():
                self._fabric.launch()
        except BaseException:
            self.stop()
            raise
        self.device = self._fabric.device

    def stop(self) -> None:
        """End the processes that this one started."""
        launcher = self._strategy.launcher
        if launcher is None:
            return
        started = list(launcher.procs)
        # Lightning's observer ends this process, too, where one of the others has ended.
        launcher.procs.clear()
        for process in started:
            process.kill()
        for process in started:
            process.wait()

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


@contextmanager
def _holding_interruptions() -> Iterator[None]:
    """Hold SIGINT back until the end, and for good from processes that are started meanwhile.

    Ctrl-C reaches every process of a terminal. The first alone is to take it, and ends the others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_notes() -> Iterator[None]:
    """Keep Lightning from writing what it starts; the program says so in a line of its own."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


def _started_by_torchrun() -> tuple[int, int]:
    devices = int(os.environ["LOCAL_WORLD_SIZE"])
    return devices, int(os.environ["WORLD_SIZE"]) // devices
