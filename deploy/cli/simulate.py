"""``dpap simulate``."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import Data, Encoder, Part, Subset
from deploy.cli.output import print_json, print_table


def command(
    model: Annotated[Path, typer.Argument(help="A compiled model, model.h5.")],
    data: Data = "digits",
    split: Part = "test",
    encoder: Encoder = None,
    subset: Subset = False,
    backend: Annotated[str, typer.Option(help="fast, lava or loihi2.")] = "fast",
    samples: Annotated[int | None, typer.Option(min=1, help="Only the first so many samples.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run a compiled model and count its spikes and synaptic operations."""
    from deploy.cli.data import load_inputs
    from deploy.formats.h5 import load
    from deploy.measurement import measure
    from deploy.runner import run

    graph = load(model)
    inputs, labels = load_inputs(graph, data, samples, part=split, encoder=encoder, subset=subset)
    recording = run(graph, inputs, backend=backend)
    measurement = measure(graph, recording)
    accuracy = None if labels is None else recording.accuracy(labels)
    if json:
        speed = {"seconds": recording.seconds, "samples_per_second": len(inputs) / recording.seconds}
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
        decided = (
            "by activations summed over all steps; of equal ones the lowest class is taken"
            if graph.sigma_delta
            else "of classes that fire alike the lowest is taken"
        )
        print(f"accuracy {accuracy:.2%} ({decided})")
    print(f"{measurement.samples} samples in {recording.seconds:.2f} s")
