"""Pruners in Lightning: for training loops that are a ``LightningModule``.

Importing this module takes seconds; ``import dpap`` does not import it.
"""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from dpap.errors import InputError
from dpap.pruning import Pruner


class PrunerCallback(Callback):
    """Prune a module's network while Lightning's ``Trainer`` trains it.

    Takes in every batch after its optimiser step, develops at the end of every training epoch, logs
    ``pruning_rate``, and keeps the pruner's state in Lightning's checkpoints. Statistics are summed over
    the processes of DDP (:mod:`dpap.runtime.reduction`).

    A checkpoint is exact where it is written at the end of a training epoch, after this callback:
    ``ModelCheckpoint(save_on_train_epoch_end=True)``. Lightning unpickles its checkpoints: load none that you
    do not trust.

    Parameters
    ----------
    make_pruner : callable
        Is given the module, on its device, when training starts, and makes the pruner, as in
        ``PrunerCallback(lambda module: dpap.DPAP(module.network, config))``.

    Attributes
    ----------
    pruner : Pruner or None
        From the start of training on.
    """

    def __init__(self, make_pruner: Callable[[LightningModule], Pruner]):
        self.pruner: Pruner | None = None
        self._make_pruner = make_pruner
        self._loaded: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the pruner, once, and restore its state from a checkpoint if there is one."""
        if self.pruner is None:
            self.pruner = self._make_pruner(pl_module)
            if not isinstance(self.pruner, Pruner):
                raise InputError(f"make_pruner gave a {type(self.pruner).__name__}; expected a dpap.Pruner")
        if self._loaded is not None:
            self.pruner.load_state_dict(self._loaded)
            self._loaded = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the batch."""
        self.pruner.after_batch()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Develop, and set the masks."""
        self.pruner.after_epoch()
        pl_module.log("pruning_rate", self.pruner.pruning_rate)

    def state_dict(self) -> dict[str, Any]:
        """The pruner's state, for Lightning's checkpoint."""
        return {} if self.pruner is None else self.pruner.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep a state until the pruner is made."""
        self._loaded = state_dict or None
