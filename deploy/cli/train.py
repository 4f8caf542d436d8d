"""``dpap train``."""

import math
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.interruption import Interrupted
from deploy.cli.output import print_json, print_table
from dpap.checkpoint import BEST_FILE, LAST_FILE

if TYPE_CHECKING:
    from dpap.training.run_files import RunFiles

TARGET_SHARE = 0.75
"""Share of the epochs after which a target given as a flag is to be reached."""

DEV_BATCHES = 4
"""Batches of training samples in a run that only tries everything out."""

GOALS = {"--target": "pruning_rate", "--synops": "synops", "--budget": "budget"}
"""Flags that set a target, and the fields that they set."""


def command(
    config: Annotated[
        Path | None, typer.Option(help="A YAML file, such as a run's config.yaml; flags override it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run; created if it does not exist.")] = Path(
        "runs/train"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    data: Annotated[str | None, typer.Option(help="A data set: digits, mnist, nmnist, ...")] = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="Accept fewer samples than the data set has.")
    ] = False,
    validation: Annotated[
        int | None, typer.Option(help="Training samples held back, to choose the best epoch by.")
    ] = None,
    no_test: Annotated[
        bool,
        typer.Option("--no-test", help="Leave the test part unread; settings are chosen by --validation."),
    ] = False,
    network: Annotated[
        str | None, typer.Option(help="The papers' notation, as in 16C3-AP2-10FC, or a recipe's name.")
    ] = None,
    weight_bits: Annotated[
        int | None, typer.Option(help="Bits of a weight, 1 to 8; --set network.weight_bits=null rounds none.")
    ] = None,
    time_steps: Annotated[
        int | None, typer.Option("--time-steps", "-T", help="Time steps of an inference.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="dpap, sdsnn, none, or a criterion: bcm, stdp, hebb, magnitude, random."),
    ] = None,
    target: Annotated[float | None, typer.Option(help="Pruning rate to reach, 0 to 1.")] = None,
    synops: Annotated[float | None, typer.Option(help="Budget of SynOps for an inference.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="The most that the compiled network may take: synops=2e5, energy=5uJ:loihi1/sanafe_fit,"
            " cores=8:loihi1."
        ),
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(help="With a budget: below this accuracy, 0 to 1, nothing more is pruned.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training samples.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of weights, order of samples and all other random numbers.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples of a step, over all processes.")] = None,
    optimizer: Annotated[str | None, typer.Option("--optimizer", "--optimiser", help="adamw or sgd.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of the optimiser.")] = None,
    loss: Annotated[str | None, typer.Option(help="mse or cross-entropy.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes on each machine.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each process on the CPU.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other field, as in training.clip_norm=1.")
    ] = None,
    dev_run: Annotated[bool, typer.Option("--dev-run", help="Test run: one epoch of a few batches.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a network on a data set while pruning it; can be interrupted and resumed."""
    started = time.perf_counter()
    # Imported here, so that help and mistakes in the arguments do not wait for torch.
    from deploy.budget import budget_cost_function
    from deploy.workflow.versions import versions_header
    from dpap.runtime.allocator import keep_freed_memory
    from dpap.training.placement import check_devices, is_first
    from dpap.training.progress import TrainingProgress
    from dpap.training.run import run_training
    from dpap.training.run_files import RunFiles

    flags = {
        "data.name": data,
        "data.subset": subset or None,
        "data.validation": validation,
        "data.test": False if no_test else None,
        "data.time_steps": time_steps,
        "network.notation": network,
        "network.weight_bits": weight_bits,
        "method": method,
        "training.epochs": epochs,
        "training.seed": seed,
        "pruning.seed": seed,
        "training.batch_size": batch,
        "training.optimizer": optimizer,
        "training.learning_rate": learning_rate,
        "training.loss": loss,
        "execution.device": device,
        "execution.devices": devices,
        "execution.nodes": nodes,
        "execution.threads": threads,
    }
    changes = {name: value for name, value in flags.items() if value is not None}
    changes |= field_changes(settings or [])
    files = RunFiles(out)
    if is_first():
        # In the others the first has begun the run already.
        files.check(resume=resume, overwrite=overwrite)
    goals = {"--target": target, "--synops": synops, "--budget": budget}
    run_config = _configure(config, files if resume else None, changes, goals, min_accuracy, dev_run)
    check_devices(run_config.execution)
    keep_freed_memory()
    done = 0

    def on_epoch(record) -> None:
        nonlocal done
        done = record.epoch
        shown.epoch(record)

    # One process draws: bars of several would overwrite each other.
    with (
        TrainingProgress(f"train {run_config.method}", run_config.training.epochs, quiet=json)
        if is_first()
        else nullcontext() as shown
    ):
        try:
            result = run_training(
                run_config,
                files,
                resume=resume,
                on_epoch=on_epoch,
                on_step=shown and shown.step,
                on_begin=shown and shown.begin,
                header=versions_header("dpap train"),
                make_cost_function=budget_cost_function,
            )
        except KeyboardInterrupt as error:
            raise Interrupted(_how_to_go_on(out, done, files)) from error
    if is_first():
        content = _summary(result, out, time.perf_counter() - started)
        print_json(content) if json else _print(content, run_config)


def _how_to_go_on(out: Path, done: int, files: "RunFiles") -> str:
    """The message of an interruption: what was lost, and the command that resumes."""
    if not files.last.is_file():
        return "interrupted before the end of the first epoch; nothing can be resumed"
    how = f"dpap train --resume --out {out}"
    after = f" after epoch {done}" if done else ""
    return f"interrupted{after}; what was learned since the last whole epoch is lost. Go on with: {how}"


def field_changes(settings: list[str]) -> dict[str, Any]:
    """Values by the names of their fields, of settings as in ``training.clip_norm=1``."""
    import yaml

    from dpap.errors import InputError
    from dpap.files.yaml_reader import read_yaml

    changes = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not (name and separator):
            raise InputError(f"--set {setting!r}; expected a field and a value, as in training.clip_norm=1")
        try:
            changes[name] = read_yaml(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {setting!r}: the value is not YAML ({error})") from error
    return changes


def _configure(config: Path | None, resumed, changes: dict[str, Any], goals, min_accuracy, dev_run: bool):
    """The configuration of the run; that of the folder where a run is resumed."""
    from deploy.budget import budget_target
    from dpap.errors import InputError
    from dpap.training.epoch_scaling import scale_epochs
    from dpap.training.run_config import differences, make_run_config, read_run_config

    wanted = {flag: goal for flag, goal in goals.items() if goal is not None}
    if len(wanted) > 1:
        raise InputError(f"{' and '.join(wanted)}: give one of them")
    path = config or (resumed.config if resumed else None)
    fields = read_run_config(path) if path is not None else {}
    where = str(path) if path is not None else "the arguments"
    if dev_run:
        changes = _brief_run(fields, changes, where)
    if type(changes.get("training.epochs")) is int and not resumed:
        scaled = scale_epochs(fields, changes["training.epochs"])
        # What is given by a flag is not scaled.
        changes = scaled | changes
        if scaled:
            said = ", ".join(f"{name} {value}" for name, value in scaled.items() if changes[name] == value)
            print(f"dpap: note: for training.epochs {changes['training.epochs']}: {said}", file=sys.stderr)
    if wanted:
        others = {name: value for name, value in changes.items() if not name.startswith("pruning.target")}
        epochs = make_run_config(fields, others, where).training.epochs
        goal = {GOALS[flag]: value for flag, value in wanted.items()}
        # First, so that the target's other fields can be set.
        changes = {"pruning.target": goal | {"epochs": math.ceil(TARGET_SHARE * epochs)}} | changes
    if min_accuracy is not None:
        changes = changes | {"pruning.target.min_accuracy": min_accuracy}
    made = make_run_config(fields, changes, where)
    if made.pruning.target is not None and made.pruning.target.budget is not None:
        # Before the data is read.
        budget_target(made.pruning.target.budget)
    if resumed:
        begun = make_run_config(read_run_config(resumed.config), where=str(resumed.config))
        other = differences(begun, made)
        if other:
            raise InputError(
                f"{resumed.folder} was begun with another {', '.join(other)}; resume it without, or choose"
                " another --out"
            )
    return made


def _brief_run(fields: dict[str, Any], changes: dict[str, Any], where: str) -> dict[str, Any]:
    """Changes for a run that only tries everything out."""
    from dpap.training.methods import method_named
    from dpap.training.run_config import make_run_config

    plain = {name: value for name, value in changes.items() if not name.startswith("pruning.target")}
    asked = make_run_config(fields, plain | {"pruning.target": None, "sdsnn.patience": 1}, where)
    samples = DEV_BATCHES * asked.training.batch_size
    return changes | method_named(asked.method).briefest() | {"data.samples": samples}


def _summary(result, out: Path, seconds: float) -> dict[str, Any]:
    last, best = result.history[-1], result.history[result.best.epoch - 1]
    return {
        "accuracy": last.test_accuracy,
        "pruning_rate": last.pruning_rate,
        "pruning_rates": result.pruning_rates,
        "loss": last.loss,
        "train_accuracy": last.train_accuracy,
        "validation_accuracy": last.validation_accuracy,
        "validation_loss": last.validation_loss,
        "epochs": last.epoch,
        "best": {
            "epoch": best.epoch,
            "accuracy": best.test_accuracy,
            "validation_accuracy": best.validation_accuracy,
            "validation_loss": best.validation_loss,
            "pruning_rate": best.pruning_rate,
        }
        | ({} if best.budget is None else {"budget": best.budget, "meets_budget": result.best.meets_budget}),
        **({} if result.budget is None else {"budget": result.budget.to_dict()}),
        "silent_classes": list(result.silent),
        "training_seconds": round(sum(record.seconds or 0.0 for record in result.history), 2),
        "seconds": round(seconds, 2),
        "run": str(out),
    }


def _silent(classes: list[int]) -> str:
    which = f"class {classes[0]}" if len(classes) == 1 else f"classes {', '.join(map(str, classes))}"
    return (
        f"the output of {which} fired for no training sample of the last epoch, and is never answered: a"
        " lower learning rate, or --set network.neuron='{type: lif, surrogate: arctan}', keeps outputs alive"
    )


def _print(content: dict[str, Any], config) -> None:
    best = content["best"]
    chosen_by = "validation" if config.data.validation else "training"
    rows = [
        ["epoch", f"{content['epochs']}", f"{best['epoch']}"],
        *(
            [f"{part} accuracy", f"{content[name]:.2%}", f"{best[name]:.2%}"]
            for part, name in (("test", "accuracy"), ("validation", "validation_accuracy"))
            if content[name] is not None
        ),
        ["synapses pruned", f"{content['pruning_rate']:.1%}", f"{best['pruning_rate']:.1%}"],
    ]
    if "budget" in content:
        written = config.pruning.target.budget.written
        values = content["budget"]["value"], best["budget"]
        rows.append([content["budget"]["quantity"], *(written(value) for value in values)])
    columns = [f"last epoch\n({LAST_FILE})", f"best by {chosen_by} accuracy\n({BEST_FILE})"]
    print_table(["", *columns], rows)
    if "budget" in content:
        print(content["budget"]["summary"])
    print(f"{content['training_seconds']:.0f} s of training; run: {content['run']}")
    if content["silent_classes"]:
        print(_silent(content["silent_classes"]))
