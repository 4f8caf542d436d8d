"""Training of a network, with or without a pruner, in one call."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from dpap.data.split import Split
from dpap.errors import InputError
from dpap.errors.expected_objects import expect
from dpap.networks import Network
from dpap.training.config import TrainingConfig
from dpap.training.history import EpochRecord
from dpap.training.progress import TrainingProgress
from dpap.training.trainer import Trainer

_PRUNER = ("after_batch", "after_epoch", "pruning_rate")


def train(
    network: Network,
    train_split: Split,
    test_split: Split | None,
    config: TrainingConfig,
    pruner: Any = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    progress: bool = False,
) -> list[EpochRecord]:
    """Train, pruning after every epoch if there is a pruner.

    Parameters
    ----------
    network : Network
        Trained in place, on the device where it is.
    train_split : Split
    test_split : Split, optional
        Only measured, never used to choose.
    config : TrainingConfig
        Epochs, optimiser and seed.
    pruner : optional
        Has ``after_batch``, ``after_epoch`` and ``pruning_rate``, as :class:`dpap.DPAP`.
    on_epoch : callable, optional
        Is given each epoch's record.
    progress : bool
        Show a bar on standard error, or one line an epoch where that is no terminal.

    Raises
    ------
    InputError
        An argument is of another kind; what to do is said.
    TrainingError
        The loss is not finite.
    """
    call = "train(network, train_split, test_split, TrainingConfig(), pruner)"
    expect(network, Network, "network", call)
    expect(train_split, Split, "train_split", call)
    if test_split is not None:
        expect(test_split, Split, "test_split", call)
    expect(config, TrainingConfig, "config", call)
    if pruner is not None and not all(hasattr(pruner, name) for name in _PRUNER):
        given = type(pruner).__name__
        raise InputError(f"pruner is a {given}; expected one with {', '.join(_PRUNER)}, as in {call}")
    classes = network.synaptic_blocks()[-1].output_shape[0]
    for name, split in (("train_split", train_split), ("test_split", test_split)):
        if split is not None and len(split) and split.labels.max() >= classes:
            raise InputError(
                f"{name} has the label {split.labels.max()}; the network has {classes} outputs, for labels 0"
                f" to {classes - 1}"
            )
    trainer = Trainer(network, config, pruner)
    with TrainingProgress("train", config.epochs) if progress else nullcontext() as shown:
        if shown is not None:
            trainer.on_step = shown.step
        while not trainer.done:
            record = trainer.next_epoch(train_split, test_split)
            if shown is not None:
                shown.epoch(record)
            if on_epoch is not None:
                on_epoch(record)
    return trainer.history
