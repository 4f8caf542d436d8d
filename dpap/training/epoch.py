"""One epoch of training, and the evaluation of a network.

All that is random in an epoch follows from the seed and the epoch's number, so that a training that is
resumed at the end of an epoch does what an uninterrupted one does.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from dpap.data.split import Split
from dpap.errors import ActivationOverflow, PrecisionWarning, TrainingError
from dpap.networks import Network
from dpap.runtime.reduction import rank, ranks, sum_over_ranks

EVALUATION_BATCH = 512


@dataclass(frozen=True)
class EpochMetrics:
    """Loss and accuracy of a training epoch.

    Attributes
    ----------
    loss : float
        Mean over batches.
    accuracy : float
    silent : tuple of int
        Classes whose output stayed at zero for every sample.
    """

    loss: float
    accuracy: float
    silent: tuple[int, ...] = ()


class SampleOrders:
    """The order of the samples in each epoch: what a seed's generator draws, one permutation after the other.

    Parameters
    ----------
    samples, seed : int
    """

    def __init__(self, samples: int, seed: int):
        self.samples, self.seed = samples, seed
        self._restart()

    def __call__(self, epoch: int) -> np.ndarray:
        """Places of the samples in an epoch, from 1; only going back draws the first orders again."""
        if epoch <= self._drawn:
            self._restart()
        while self._drawn < epoch:
            order = self._generator.permutation(self.samples)
            self._drawn += 1
        return order

    def _restart(self) -> None:
        self._generator, self._drawn = np.random.default_rng(self.seed), 0


@contextmanager
def drawn_by(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Let what layers draw follow from seed, epoch and process; torch's generator is as before afterwards."""
    state = np.random.SeedSequence((seed, epoch, rank())).generate_state(1, np.uint64)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(state[0]))
        yield


def batches(
    split: Split, order: np.ndarray, size: int, device: torch.device, epoch: int | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """Inputs and labels of this process's part of each batch, and the samples of the whole batch.

    Parameters
    ----------
    split : Split
    order : int array
        Places of the samples.
    size : int
        Samples of a batch, of all processes together.
    device : torch.device
    epoch : int, optional
        For augmentation and encoders that draw.
    """
    for start in range(0, len(order), size):
        whole = order[start : start + size]
        chosen = whole[rank() :: ranks()]
        inputs, labels = torch.from_numpy(split.batch(chosen, epoch)), torch.from_numpy(split.labels[chosen])
        yield inputs.to(device), labels.to(device), len(whole)


def learn_epoch(
    model: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    training_batches: Iterator[tuple[torch.Tensor, torch.Tensor, int]],
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
    clip_norm: float | None = None,
    pruner: Any = None,
) -> EpochMetrics:
    """Learn from every batch once.

    Parameters
    ----------
    model : callable
        The network, or what stands for it where several processes train it.
    optimizer : Optimizer
    learned_from : iterator
        As :func:`batches` gives.
    loss_of : callable
        Of output and labels, the mean over samples.
    backward : callable
        Computes the gradients of a loss, as means over processes.
    clip_norm : float, optional
        The largest norm of the gradient.
    pruner : optional
        Its ``after_batch`` is called after each step.

    Raises
    ------
    TrainingError
        The loss is not finite, in any process.
    """
    losses, correct, samples, sent = [], 0, 0, 0
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for inputs, labels, whole in training_batches:
        output = model(inputs)
        loss = _share_of_mean(output, labels, whole, loss_of)
        # In several processes all must see that the loss is not finite, or the others would wait for ever.
        losses.append(sum_over_ranks(loss.detach().clone()).item() / ranks())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss is {losses[-1]} in batch {len(losses)}; a learning rate below"
                f" {optimizer.param_groups[0]['lr']:g} may help"
            )
        optimizer.zero_grad(set_to_none=True)
        backward(loss)
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.step()
        if pruner is not None:
            pruner.after_batch()
        summed = output.detach().sum(2)
        correct += (summed.argmax(1) == labels).sum()
        sent += summed.abs().sum(0)
        samples += whole
    silent = (sum_over_ranks(sent) == 0).nonzero().flatten().tolist()
    return EpochMetrics(float(np.mean(losses)), int(sum_over_ranks(correct)) / samples, tuple(silent))


def _share_of_mean(
    output: torch.Tensor,
    labels: torch.Tensor,
    whole: int,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """A process's loss, such that the mean over processes is the mean over the whole batch's samples."""
    if len(labels) * ranks() == whole:
        return loss_of(output, labels)
    if not len(labels):
        return output.sum()
    return loss_of(output, labels) * (len(labels) * ranks() / whole)


@dataclass(frozen=True)
class EvaluationMetrics:
    """Accuracy and loss of a network on samples that it is not trained on.

    Attributes
    ----------
    accuracy : float
        Share of samples whose class fires most, or has the largest logit; of equals the lowest is taken.
    loss : float or None
        Mean over samples, where a loss was given.
    """

    accuracy: float
    loss: float | None = None


@torch.no_grad()
def evaluate(
    network: nn.Module,
    split: Split,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    batch_size: int = EVALUATION_BATCH,
) -> EvaluationMetrics:
    """Accuracy, and the loss if there is one, of a network in evaluation.

    A current that leaves its range is wrapped, as Lava does, with a
    :class:`~dpap.errors.PrecisionWarning`, and training continues. Activations of sigma-delta units do not
    wrap, and raise an :class:`~dpap.errors.ActivationOverflow`.
    """
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    loss = torch.zeros((), device=device)
    for inputs, labels, _ in batches(split, np.arange(len(split)), batch_size, device):
        if not len(labels):
            continue
        output = _evaluated(network, inputs)
        correct += (output.sum(2).argmax(1) == labels).sum()
        if loss_of is not None:
            loss += loss_of(output, labels) * len(labels)
    network.train(was_training)
    share = int(sum_over_ranks(correct)) / len(split)
    return EvaluationMetrics(share, None if loss_of is None else sum_over_ranks(loss).item() / len(split))


def _evaluated(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    try:
        return network(inputs)
    except ActivationOverflow as error:
        if not isinstance(network, Network) or network.neuron.sends != "spikes":
            raise
        warnings.warn(
            f"measured with currents wrapped, as Lava does: {error}", PrecisionWarning, stacklevel=4
        )
        with network.overflowing("wrap"):
            return network(inputs)


def accuracy(network: nn.Module, split: Split) -> float:
    """The accuracy of :func:`measured` alone."""
    return evaluate(network, split).accuracy
