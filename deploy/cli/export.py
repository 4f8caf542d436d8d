"""``dpap export``."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import InputMax, Model, Reset, StepSeconds, TimeSteps
from deploy.cli.output import print_json


def command(
    model: Model,
    to: Annotated[
        Path,
        typer.Option(help="Output: a file, .net for netx, .nir for NIR, .h5; or a folder for sana-fe."),
    ],
    format: Annotated[
        str | None, typer.Option(help="h5, netx, nir or sana-fe; by default chosen by the suffix.")
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            help="For sana-fe: a .npy file (N, T, ...); the spikes of its first sample are written."
        ),
    ] = None,
    time_steps: TimeSteps = None,
    input_max: InputMax = None,
    dt: StepSeconds = None,
    reset: Reset = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write a model for other software, compiled if needed; status 2 if the format cannot represent it."""
    from deploy.cli.models import load_model
    from deploy.formats.registry import export, format_of

    name = format_of(to, format)
    graph = load_model(model, time_steps=time_steps, input_max=input_max, dt=dt, reset=reset).graph
    options = {} if inputs is None else {"inputs": _first_sample(graph, name, inputs)}
    export(graph, to, name, **options)
    size = sum(file.stat().st_size for file in (to.iterdir() if to.is_dir() else [to]))
    if json:
        print_json(
            {
                "model": str(model),
                "file": str(to),
                "format": name,
                "bytes": size,
                "layers": [layer.name for layer in graph.layers],
                "neurons": graph.neurons,
                "weights": graph.stored_weights,
                "removed": graph.removed,
            }
        )
    else:
        print(f"{to}: {len(graph.layers)} layers, {graph.neurons:,} neurons, {size:,} bytes")
        for layer in graph.layers:
            if len(layer.kept) < layer.shape[0]:
                print(
                    f"{layer.name}: {layer.shape[0] - len(layer.kept)} of {layer.shape[0]} were removed,"
                    f" {len(layer.silent)} that cannot fire and {len(layer.without_fan_out)} without fan-out"
                )


def _first_sample(graph, name: str, path: Path):
    from deploy.cli.data import load_inputs
    from dpap.errors import InputError

    if name != "sana-fe":
        raise InputError(f"--inputs {path}: only sana-fe describes inputs; leave it out for {name}")
    samples, _ = load_inputs(graph, str(path), 1)
    if not len(samples):
        raise InputError(f"--inputs {path}: it holds no sample")
    return samples[0]
