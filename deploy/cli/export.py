"""``dpap export``."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import print_json


def command(
    model: Annotated[
        Path, typer.Argument(help="A compiled model, model.h5, or a checkpoint.pt, which is compiled first.")
    ],
    to: Annotated[Path, typer.Option(help="The file to write: .net for netx, .nir for NIR, .h5.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write a model for other software, or compile a checkpoint; status 2 where a format cannot say it."""
    from deploy.formats.registry import export

    graph = _graph(model)
    export(graph, to)
    size = to.stat().st_size
    if json:
        print_json(
            {
                "model": str(model),
                "file": str(to),
                "format": to.suffix.removeprefix("."),
                "bytes": size,
                "layers": [layer.name for layer in graph.layers],
                "neurons": graph.neurons,
                "weights": graph.stored_weights,
            }
        )
    else:
        print(f"{to}: {len(graph.layers)} layers, {graph.neurons:,} neurons, {size:,} bytes")


def _graph(model: Path):
    if model.suffix == ".pt":
        from deploy.compiler import compile
        from dpap.checkpoint import load_checkpoint

        return compile(load_checkpoint(model)[0])
    from deploy.formats.h5 import load

    return load(model)
