"""``dpap demo``."""

import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.deployed import print_deployed
from deploy.cli.output import print_json
from deploy.cli.progress import stages


def command(
    out: Annotated[Path, typer.Option(help="Folder of the run; created if it does not exist.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights and of the order of samples.")] = 0,
    network: Annotated[
        str | None, typer.Option(help="Network in the papers' notation, as in 16C3-AP2-10FC.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each training.")] = None,
    lava_samples: Annotated[
        int | None, typer.Option(min=1, max=450, help="Test samples to run on Lava.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train and prune a network on handwritten digits, run it on Lava, and report what pruning saved."""
    started = time.perf_counter()
    # Imported here, so that help and mistakes in the arguments do not wait for torch.
    from deploy.workflow.demo import DemoConfig, run_demo
    from deploy.workflow.run_directory import RunDirectory
    from dpap.training import TrainingConfig

    defaults = DemoConfig()
    training = defaults.training.model_dump() | {"seed": seed} | ({"epochs": epochs} if epochs else {})
    changes = {"training": TrainingConfig(**training)}
    if network is not None:
        changes["network"] = network
    if lava_samples is not None:
        changes["lava_samples"] = lava_samples
    config = defaults.model_copy(update=changes)
    with RunDirectory(out) as directory, stages() as progress:
        result = run_demo(config, directory, progress)
    seconds = time.perf_counter() - started
    pruned, control, certificate = result.pruned, result.control, result.certificate
    if json:
        print_json(
            {
                "accuracy": pruned.accuracy,
                "control_accuracy": control.accuracy,
                "pruning_rate": pruned.pruning_rate,
                "mismatches": certificate.mismatches,
                "seconds": round(seconds, 2),
                "run": str(out),
            }
        )
    else:
        print_deployed(result)
        print(f"{seconds:.0f} s; report: {out / 'report.html'}")
    if certificate.mismatches:
        raise typer.Exit(1)
