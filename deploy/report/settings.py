"""Settings of a training, in words, for the end of the page."""

from dpap.training import TrainingConfig

_OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}


def training_settings(training: TrainingConfig) -> dict[str, str]:
    """Seed and optimisation."""
    return {
        "seed": str(training.seed),
        "training": f"{training.epochs} epochs, {_OPTIMIZERS[training.optimizer]}, learning rate"
        f" {training.learning_rate:g}, batch {training.batch_size}",
    }
