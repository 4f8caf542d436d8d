"""The report of a training run: its network compiled, verified, measured and priced."""

from pathlib import Path

from deploy.hardware import load_hardware
from deploy.report.settings import training_settings
from deploy.workflow.deployment import Deployment, DeploymentConfig, Progress, deploy, write_deployment
from deploy.workflow.run_directory import RunDirectory
from deploy.workflow.trained_run import TrainedRun, read_trained_run
from deploy.workflow.versions import versions
from dpap.data import Split
from dpap.errors import InputError
from dpap.training.methods import method_named
from dpap.training.run_config import differences
from dpap.training.run_files import CONTROL, RunFiles

_DATA = ("data.name", "data.time_steps", "data.encoder", "network.notation")
"""What a run and its control have in common, or the beginnings of it."""


def report_run(
    folder: str | Path, control: str | Path | None, config: DeploymentConfig, progress: Progress
) -> Deployment:
    """Deploy a run's best network and write the model, certificate, counts, prices and report beside it.

    Parameters
    ----------
    folder : path
        Of a run of ``dpap train`` or ``dpap demo``.
    control : path, optional
        Of another, of the same data and network, that pruned nothing or otherwise; by default the folder
        ``control`` in the run's, where there is one.
    config : DeploymentConfig
    progress : Progress

    Raises
    ------
    InputError
        A folder holds no run, or the two do not fit, or the network cannot be compiled or priced.
    BackendError
        Lava failed or ran out of time.
    """
    # What is refused is refused before anything runs.
    load_hardware(config.hardware)
    run = read_trained_run(folder)
    own = Path(folder) / CONTROL
    if control is None and RunFiles(own).config.is_file():
        control = own
    beside = None if control is None else read_trained_run(control)
    if beside is not None:
        _check_alike(run, beside)
    split = run.test_split()
    with RunDirectory(folder) as directory:
        result = deploy(
            run.trained(),
            None if beside is None else beside.trained("control", _control_label(beside)),
            split,
            config,
            progress,
        )
        progress("write the report", 0, 1)
        write_deployment(
            directory,
            result,
            split,
            title=f"{run.label} on {run.config.data.name}",
            settings=_settings(run, beside, split) | versions(),
            pruning_history=run.pruning_history,
        )
    progress("write the report", 1, 1)
    return result


def _check_alike(run: TrainedRun, control: TrainedRun) -> None:
    other = [name for name in differences(run.config, control.config) if name.startswith(_DATA)]
    if other:
        raise InputError(
            f"{control.folder} differs from {run.folder} in {', '.join(other)}; a control is trained on"
            " the same data with the same network"
        )


def _control_label(control: TrainedRun) -> str:
    unpruned = not method_named(control.config.method).prunes
    return "unpruned control" if unpruned else f"{control.label} (control)"


def _settings(run: TrainedRun, control: TrainedRun | None, split: Split) -> dict[str, str]:
    config = run.config
    settings = {
        "run": str(run.folder),
        "data": f"{config.data.name}, {len(split)} to test",
        "network": config.network.notation,
        "time steps an inference": str(config.data.time_steps),
        "input": f"{config.data.encoder.kind} encoding, from 0 to {run.network.input_max}",
        "method": run.label,
        "weights": _weights(run),
        **training_settings(config.training),
        **method_named(config.method).settings(config),
    }
    if run.epoch is not None:
        settings["network deployed"] = f"of epoch {run.epoch}"
    if control is not None:
        settings["control"] = str(control.folder)
        settings["control's seed and training"] = ", ".join(
            training_settings(control.config.training).values()
        )
    return settings


def _weights(run: TrainedRun) -> str:
    """Bits of a weight, and whether they were learned or came by rounding afterwards."""
    bits = {block.name: block.weight_bits for block in run.network.synaptic_blocks()}
    learned = run.config.network.weight_bits
    if len(set(bits.values())) == 1:
        said = f"{next(iter(bits.values()))} bits"
    else:
        said = ", ".join(f"{name} {count} bits" for name, count in bits.items())
    if set(bits.values()) == {learned}:
        return said
    before = "without rounding" if learned is None else f"with {learned} bits"
    return f"{said}, rounded after a training {before}"
