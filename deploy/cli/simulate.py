"""``dpap simulate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from dpap.errors import InputError

if TYPE_CHECKING:
    from deploy.ir import Graph
    from deploy.recording import Recording

PROGRESSING = ("fast", "lava")
"""Backends that report progress."""


def command(
    model: Model,
    data: Data = None,
    split: Part = "test",
    labels: Annotated[
        Path | None,
        typer.Option(help="A .npy file (N,) of the classes of --data FILE.npy, for accuracy."),
    ] = None,
    encoder: Encoder = None,
    subset: Subset = False,
    backend: Annotated[str, typer.Option(help="fast, lava or loihi2.")] = "fast",
    samples: Annotated[int | None, typer.Option(min=1, help="Number of samples, from the first.")] = None,
    record: Annotated[
        str | None,
        typer.Option(help="Layers to record, separated by commas; by default all. Fast backend only."),
    ] = None,
    record_to: Annotated[
        Path | None, typer.Option(help="File for the recorded spikes, HDF5. Fast backend only.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the fast backend.")] = None,
    on_overflow: Overflowing = "raise",
    time_steps: TimeSteps = None,
    input_max: InputMax = None,
    dt: StepSeconds = None,
    reset: Reset = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run a model and count its spikes and synaptic operations."""
    from deploy.cli.data import load_labels
    from deploy.cli.models import load_model
    from deploy.cli.progress import stages
    from deploy.measurement.measurement import measure
    from deploy.runner import run

    options = _options(backend, record, record_to, threads)
    read = load_model(model, time_steps=time_steps, input_max=input_max, dt=dt, reset=reset)
    graph = read.graph
    inputs, known = read.inputs(data, samples, part=split, encoder=encoder, subset=subset)
    if labels is not None:
        if known is not None:
            raise InputError(f"--labels {labels}: {read.data_name(data)} has labels of its own; leave it out")
        known = load_labels(labels, len(inputs), graph.output.shape[0])
    with stages() as progress:
        if backend == "fast":
            options["compiling"] = lambda kernel, done, total: progress("compile", done, total, kernel)
        if backend in PROGRESSING:
            options["progress"] = lambda done, total: progress("run", done, total)
        recording = run(graph, inputs, backend=backend, on_overflow=on_overflow, **options)
        progress("measure", 0, 1)
        measurement = measure(graph, recording, _measurable(graph, recording))
        progress("measure", 1, 1)
    accuracy = None if known is None else recording.accuracy(known)
    if json:
        speed = {"seconds": recording.seconds, "samples_per_second": len(inputs) / recording.seconds}
        speed["ties"] = "the lowest class"
        print_json({"backend": backend, "accuracy": accuracy} | speed | measurement.to_dict())
        return
    rows = [
        [
            layer.name,
            f"{layer.neurons}",
            f"{layer.synapses}",
            f"{layer.spikes / measurement.samples:,.1f}",
            f"{layer.firing_rate:.2%}",
            f"{layer.synops_effective / measurement.samples:,.0f}",
            f"{layer.synops_dense / measurement.samples:,.0f}",
        ]
        for layer in measurement.layers.values()
    ]
    columns = ["layer", "neurons", "synapses", "spikes", "firing rate", "SynOps effective", "SynOps dense"]
    print_table(columns, rows, title=f"{model} on {backend}, per inference")
    if accuracy is not None:
        print(f"accuracy {accuracy:.2%} ({graph.activity.decision})")
    per_second = measurement.samples / recording.seconds
    print(f"{measurement.samples} samples in {recording.seconds:.2f} s, {per_second:,.0f} a second")
    if record_to is not None:
        print(f"spikes of {', '.join(recording.kept)} in {record_to}")


def _options(backend: str, record: str | None, record_to: Path | None, threads: int | None) -> dict:
    """Options of a run; those of the fast backend are refused elsewhere."""
    given = {"record": record, "record_to": record_to, "threads": threads}
    options = {name: value for name, value in given.items() if value is not None}
    if options and backend != "fast":
        names = ", ".join("--" + name.replace("_", "-") for name in options)
        raise InputError(f"{names}: only for the fast backend, and this is {backend!r}; leave it out")
    if record is not None:
        options["record"] = [name.strip() for name in record.split(",") if name.strip()]
    return options


def _measurable(graph: "Graph", recording: "Recording") -> list[str]:
    """Layers that were recorded together with all their sources."""
    from deploy.ir import INPUT

    known = {INPUT, *recording.kept}
    return [layer.name for layer in graph.layers if known.issuperset({layer.name, *layer.sources})]
