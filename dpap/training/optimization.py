r"""Optimisers, and the path of the learning rate.

.. math::
    \eta_e = \eta\, \min\left(1, \frac{e + 1}{w + 1}\right) \frac{1 + \cos(\pi e / E)}{2}

is the rate of epoch :math:`e` from 0 of :math:`E`, with a warm-up of :math:`w` epochs; without the last
factor where it is constant. With several cycles :math:`e` and :math:`E` are those of the cycle, and the
warm-up is the first one's. Sources: Loshchilov and Hutter 2017 (cosine, warm restarts) and 2019 (AdamW).
"""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler

from dpap.training.config import TrainingConfig


def make_optimizer(network: nn.Module, config: TrainingConfig) -> Optimizer:
    """The optimiser of all parameters that learn."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    common = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == "adamw":
        return AdamW(parameters, **common)
    return SGD(parameters, momentum=config.momentum, nesterov=config.momentum > 0, **common)


def make_schedules(optimizer: Optimizer, config: TrainingConfig, done: int = 0) -> list[LRScheduler]:
    """The factors of the rate in the cycle that begins after ``done`` epochs; to be stepped once an epoch."""
    for group in optimizer.param_groups:
        group["lr"] = group.get("initial_lr", group["lr"])
    schedules: list[LRScheduler] = []
    if config.schedule == "cosine":
        schedules.append(CosineAnnealingLR(optimizer, config.cycle_lengths[config.cycle_starts.index(done)]))
    if config.warm_up and not done:
        first = 1 / (config.warm_up + 1)
        schedules.append(LinearLR(optimizer, start_factor=first, total_iters=config.warm_up))
    return schedules
