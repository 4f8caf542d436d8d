"""``dpap verify``."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import (
    Data,
    Encoder,
    InputMax,
    Model,
    Overflowing,
    Part,
    Reset,
    StepSeconds,
    Subset,
    TimeSteps,
)
from deploy.cli.output import print_json, print_table
from dpap.checkpoint import BEST_FILE


def command(
    model: Model,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help=f"Checkpoint that a .h5 was compiled from; by default {BEST_FILE} beside it. Without it,"
            " backends are compared with the fast one."
        ),
    ] = None,
    data: Data = None,
    split: Part = "test",
    encoder: Encoder = None,
    subset: Subset = False,
    backend: Annotated[
        list[str] | None, typer.Option(help="fast, lava or loihi2; repeat for several.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples to compare.")] = 50,
    on_overflow: Overflowing = "raise",
    time_steps: TimeSteps = None,
    input_max: InputMax = None,
    dt: StepSeconds = None,
    reset: Reset = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Compare every spike of a model with the network it was compiled from; status 1 if one differs.

    A mismatch is reported with its layer, step, neuron and the two values.
    """
    from deploy.cli.models import load_model
    from deploy.verification.verification import verify, verify_backends
    from dpap.checkpoint import load_checkpoint

    read = load_model(model, time_steps=time_steps, input_max=input_max, dt=dt, reset=reset)
    graph, network = read.graph, read.network
    beside = model.with_name(BEST_FILE)
    if checkpoint is None and network is None and beside.exists():
        checkpoint = beside
    if checkpoint is not None:
        network = load_checkpoint(checkpoint)[0]
    inputs, _ = read.inputs(data, samples, part=split, encoder=encoder, subset=subset)
    if network is None:
        certificate = verify_backends(graph, inputs, tuple(backend or ("lava",)), on_overflow)
    else:
        certificate = verify(graph, network, inputs, tuple(backend or ("fast", "lava")), on_overflow)
    if json:
        print_json(certificate.to_dict())
    else:
        _print(certificate)
    if certificate.mismatches:
        raise typer.Exit(1)


def _print(certificate) -> None:
    rows = []
    for backend, layers in certificate.backends.items():
        for name, layer in layers.items():
            first = layer.first_mismatch
            where = (
                ""
                if first is None
                else (
                    f"sample {first.sample}, step {first.step}, neuron {first.neuron}:"
                    f" {first.expected} expected, {first.actual} ran"
                )
            )
            rows.append(
                [backend, name, f"{layer.compared:,}", f"{layer.spikes:,}", f"{layer.mismatches:,}", where]
            )
    columns = ["backend", "layer", "compared", "spikes", "mismatches", "first mismatch"]
    print_table(columns, rows, title=f"compared with {certificate.reference}")
    _print_ranges(certificate.ranges)


def _print_ranges(ranges) -> None:
    """The reason why currents stay within 24 bits."""
    claims = {known.claim: None for known in ranges.values()}
    for claim in claims:
        names = ", ".join(name for name, known in ranges.items() if known.claim == claim)
        print(f"currents within 24 bits {claim}: {names}")
