"""Training of networks, with or without a pruner: in a plain loop, and as runs that can be resumed."""

from dpap.errors.renamed import old_names
from dpap.training.config import BriefEpochs, TrainingConfig
from dpap.training.epoch import accuracy
from dpap.training.history import (
    Convergence,
    EpochRecord,
    convergence,
    epochs_to_reach,
    history_csv,
    read_history,
)
from dpap.training.loop import train
from dpap.training.loss import logit_loss, rate_loss
from dpap.training.trainer import Trainer

__all__ = [
    "BriefEpochs",
    "Convergence",
    "EpochRecord",
    "Trainer",
    "TrainingConfig",
    "accuracy",
    "convergence",
    "epochs_to_reach",
    "history_csv",
    "logit_loss",
    "rate_loss",
    "read_history",
    "train",
]

__getattr__ = old_names(__name__, {"Learning": "Trainer"})
