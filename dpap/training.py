"""Training of a network, with or without a pruner."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from dpap.data.split import Split
from dpap.errors import TrainingError
from dpap.networks import Network


class TrainingConfig(BaseModel):
    """How a network is trained.

    Attributes
    ----------
    epochs, batch_size : int
        Passes over the training split, and samples a step.
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to zero along half a cosine.
    seed : int
        Draws the weights and the order of the samples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(5e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class EpochRecord:
    """One row of a training's history.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        Mean over the epoch's batches.
    train_accuracy, test_accuracy, pruning_rate : float
        0 to 1; the training accuracy is that of the passes that were learned from.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    pruning_rate: float


def rate_loss(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    r"""Squared error of the firing rates, :math:`\| Y - \frac{1}{T}\sum_t o^t \|_2^2`.

    Source: Han et al. 2024, eq. 3.

    Parameters
    ----------
    output : Tensor of shape (N, classes, T)
    labels : int64 Tensor of shape (N,)

    Returns
    -------
    Scalar, the mean over samples.
    """
    rates = output.mean(2)
    target = torch.nn.functional.one_hot(labels, rates.shape[1]).to(rates.dtype)
    return (target - rates).square().sum(1).mean()


@torch.no_grad()
def accuracy(network: Network, split: Split, batch_size: int = 512) -> float:
    """Share of samples whose class fires most; of classes that fire alike the lowest is taken."""
    was_training = network.training
    network.eval()
    correct = 0
    for start in range(0, len(split), batch_size):
        chosen = np.arange(start, min(start + batch_size, len(split)))
        inputs = torch.from_numpy(split.batch(chosen))
        labels = torch.from_numpy(split.labels[chosen])
        correct += int((network(inputs).sum(2).argmax(1) == labels).sum())
    network.train(was_training)
    return correct / len(split)


def train(
    network: Network,
    train_split: Split,
    test_split: Split,
    config: TrainingConfig,
    pruner: Any = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> list[EpochRecord]:
    """Train, pruning after every epoch if there is a pruner.

    Parameters
    ----------
    network : Network
        Trained in place.
    train_split, test_split : Split
        The test split is only measured, never used to choose.
    config : TrainingConfig
        Epochs, optimiser and seed.
    pruner : optional
        Has ``after_batch``, ``after_epoch`` and ``pruning_rate``, as :class:`dpap.DPAP`.
    on_epoch : callable, optional
        Is given each epoch's record.

    Raises
    ------
    TrainingError
        The loss is not finite.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs)
    order = np.random.default_rng(config.seed)
    history = []
    for epoch in range(1, config.epochs + 1):
        network.train()
        losses, correct = [], 0
        for inputs, labels in _batches(train_split, config.batch_size, order, epoch):
            output = network(inputs)
            loss = rate_loss(output, labels)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss.item()} in epoch {epoch}; a lower learning rate than"
                    f" {config.learning_rate} may help"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if pruner is not None:
                pruner.after_batch()
            losses.append(loss.item())
            correct += int((output.sum(2).argmax(1) == labels).sum())
        schedule.step()
        if pruner is not None:
            pruner.after_epoch()
        record = EpochRecord(
            epoch=epoch,
            loss=float(np.mean(losses)),
            train_accuracy=correct / len(train_split),
            test_accuracy=accuracy(network, test_split),
            pruning_rate=pruner.pruning_rate if pruner is not None else 0.0,
        )
        history.append(record)
        if on_epoch is not None:
            on_epoch(record)
    return history


def _batches(
    split: Split, batch_size: int, order: np.random.Generator, epoch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    shuffled = order.permutation(len(split))
    for start in range(0, len(split), batch_size):
        chosen = shuffled[start : start + batch_size]
        yield torch.from_numpy(split.batch(chosen, epoch)), torch.from_numpy(split.labels[chosen])
