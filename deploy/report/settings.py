"""Settings of a training, in words, for the end of the page."""

from dpap.pruning import Budget, DPAPConfig, SDSNNConfig, SurvivalConfig, TargetConfig
from dpap.training import TrainingConfig

_OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}


def training_settings(training: TrainingConfig) -> dict[str, str]:
    """Seed and optimisation."""
    return {
        "seed": str(training.seed),
        "training": f"{training.epochs} epochs, {_OPTIMIZERS[training.optimizer]}, learning rate"
        f" {training.learning_rate:g}, batch {training.batch_size}",
    }


def dpap_settings(pruning: DPAPConfig) -> dict[str, str]:
    """Constants of DPAP, and its target where there is one."""
    settings = {
        "DPAP in convolutions": _constants(pruning.conv),
        "DPAP in dense layers": _constants(pruning.dense),
        "DPAP normalisation": pruning.normalization,
    }
    if pruning.importance != "bcm":
        settings["importance"] = pruning.importance
    if pruning.target is not None:
        settings["target"] = _target(pruning.target)
    return settings


def _target(target: TargetConfig) -> str:
    """The fields that are set, with a budget as it is written."""
    named = {name: getattr(target, name) for name in TargetConfig.model_fields}
    return ", ".join(
        f"{name.replace('_', ' ')} {value if isinstance(value, Budget) else f'{value:g}'}"
        for name, value in named.items()
        if value is not None
    )


def _constants(constants: SurvivalConfig) -> str:
    return f"epsilon {constants.epsilon:g}, C {constants.protection:g}, eta {constants.eta:g}"


def sdsnn_settings(sdsnn: SDSNNConfig) -> dict[str, str]:
    """Constants of SD-SNN."""
    settings = {"SD-SNN": f"patience {sdsnn.patience}, ranges times {sdsnn.shrink:g} where weights shrink"}
    for where, constants in (("convolutions", sdsnn.conv), ("dense layers", sdsnn.dense)):
        settings[f"SD-SNN in {where}"] = (
            f"{constants.pruning_percent:g} % of the neurons an epoch at first, growth percentile from"
            f" {constants.growth_percentile:g}"
        )
    return settings
