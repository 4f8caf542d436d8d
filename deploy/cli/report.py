"""``dpap report``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.deployed import print_deployed
from deploy.cli.options import Overflowing, Oversized, Unknown
from deploy.cli.output import print_json
from deploy.cli.progress import stages


def command(
    run: Annotated[Path, typer.Argument(help="The folder of a run of dpap train.")],
    control: Annotated[
        Path | None, typer.Option(help="The folder of an unpruned run of the same data and network.")
    ] = None,
    hardware: Annotated[str, typer.Option(help="A target of dpap hardware list, or a YAML file.")] = "loihi1",
    unknown: Unknown = "refuse",
    oversized: Oversized = "refuse",
    samples: Annotated[
        int, typer.Option(min=1, help="Test samples to compare, measure and price; accuracy uses all.")
    ] = 200,
    lava_samples: Annotated[int, typer.Option(min=1, help="Number of these samples to run on Lava.")] = 50,
    on_overflow: Overflowing = "raise",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Compile, verify, measure and price a run's network, and write a report; status 1 if a spike differs."""
    from deploy.workflow.deployment import DeploymentConfig
    from deploy.workflow.run_report import report_run
    from dpap.errors import InputError

    for name, value, known in (
        ("unknown", unknown, ("refuse", "bound")),
        ("oversized", oversized, ("refuse", "place")),
        ("on-overflow", on_overflow, ("raise", "wrap")),
    ):
        if value not in known:
            raise InputError(f"--{name} is {value!r}; expected {' or '.join(known)}")
    config = DeploymentConfig(
        samples=samples,
        lava_samples=lava_samples,
        hardware=hardware,
        unknown=unknown,
        oversized=oversized,
        on_overflow=on_overflow,
    )
    with stages() as progress:
        result = report_run(run, control, config, progress)
    if json:
        print_json(_summary(result, run))
    else:
        print_deployed(result)
        print(f"report: {run / 'report.html'}")
    if result.certificate.mismatches:
        raise typer.Exit(1)


def _summary(result: Any, run: Path) -> dict[str, Any]:
    networks = {
        "pruned": result.pruned,
        **({} if result.control is None else {"control": result.control}),
    }
    return {
        "run": str(run),
        "report": str(run / "report.html"),
        **{
            name: {
                "label": network.label,
                "trained_accuracy": network.trained_accuracy,
                "accuracy": network.accuracy,
                "tested": network.tested,
                "pruning_rate": network.pruning_rate,
                "energy": network.estimate.energy,
                "cores": network.estimate.cores,
            }
            for name, network in networks.items()
        },
        "compared": result.certificate.compared,
        "mismatches": result.certificate.mismatches,
        "samples": result.certificate.samples,
    }
