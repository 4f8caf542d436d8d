"""``dpap quantize``."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import Data, Encoder, Subset
from deploy.cli.output import print_json, print_table
from dpap.checkpoint import BEST_FILE

if TYPE_CHECKING:
    from deploy.workflow.run_directory import RunDirectory
    from dpap.training.run_files import RunFiles


def command(
    checkpoint: Annotated[Path, typer.Argument(help="A trained network: a run's folder or a checkpoint.")],
    out: Annotated[
        Path,
        typer.Option(
            help=f"Folder for {BEST_FILE}, model.h5 and quantization.json; of a run's folder, a run."
        ),
    ],
    weight_bits: Annotated[int, typer.Option(help="Bits of a weight, 1 to 8.")] = 8,
    layer_bits: Annotated[
        list[str] | None,
        typer.Option("--layer-bits", help="Bits of one layer, as in fc1=4; repeat for several."),
    ] = None,
    data: Data = None,
    encoder: Encoder = None,
    subset: Subset = False,
    calibration: Annotated[int, typer.Option(min=1, help="Training samples to choose the scales by.")] = 256,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Test samples to measure accuracy on; by default all.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Round the weights of a trained network to 1 to 8 bits, and report the loss of accuracy."""
    import numpy as np

    from deploy.cli.models import load_model
    from deploy.compiler.compilation import compile
    from deploy.workflow.run_directory import RunDirectory
    from dpap.checkpoint import save_checkpoint
    from dpap.errors import InputError
    from dpap.post_training import quantize
    from dpap.training.run_files import RunFiles

    model = load_model(checkpoint)
    network = model.network
    if network is None:
        raise InputError(f"{checkpoint}: is compiled; its weights are integers already. Name a checkpoint")
    bits = {block.name: weight_bits for block in network.synaptic_blocks()} | _by_layer(layer_bits or [])
    known = {"encoder": encoder, "subset": subset}
    train, test = (model.split(data, part=part, **known) for part in ("train", "test"))
    result = quantize(
        network,
        train.part(np.arange(len(train))[:calibration]),
        weight_bits=bits,
        evaluation=test.part(np.arange(len(test))[:samples]),
    )
    graph = compile(result.network)
    content = {"checkpoint": str(checkpoint), "data": model.data_name(data), **result.to_dict()}
    with RunDirectory(out) as run:
        if model.config is not None:
            _copy_run(RunFiles(checkpoint), run)
        save_checkpoint(run.file(BEST_FILE), result.network)
        graph.save(run.file("model.h5"))
        run.write_json("quantization.json", content)
    if json:
        print_json({**content, "run": str(out)})
    else:
        _print(result, out)


def _copy_run(files: "RunFiles", run: "RunDirectory") -> None:
    """Copy the files that make the folder a run that can be reported."""
    for path in (files.config, files.history, files.pruning_history):
        if path.is_file():
            shutil.copyfile(path, run.file(path.name))


def _by_layer(settings: list[str]) -> dict[str, int]:
    from dpap.errors import InputError

    bits = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        if not (name and number.isdecimal()):
            raise InputError(f"--layer-bits {setting!r}; expected a layer and a number, as in fc1=4")
        bits[name] = int(number)
    return bits


def _change(drop: float) -> str:
    """A difference of accuracy in points, and whether it is a loss."""
    points = f"{abs(drop) * 100:.2f}"
    if float(points) == 0:
        return "nothing lost"
    return f"{points} points {'lost' if drop > 0 else 'gained'}"


def _print(result, out: Path) -> None:
    rows = [
        [
            name,
            f"{layer.weight_bits}",
            f"{layer.weight_range:.4g}",
            f"{layer.largest_weight:.4g}",
            f"{layer.threshold:,}",
            f"{layer.sum_error:.2%}",
            f"{layer.activity_error:.2%}",
        ]
        for name, layer in result.layers.items()
    ]
    columns = ["layer", "bits", "range", "largest weight", "threshold", "error of sums", "of activity"]
    print_table(columns, rows, title=f"scales chosen by {result.calibration_samples} samples")
    print(
        f"accuracy on {result.samples:,} samples: {result.original_accuracy:.2%} without rounding,"
        f" {result.accuracy:.2%} with; {_change(result.accuracy_drop)}"
    )
    print(f"{out}: {BEST_FILE}, model.h5, quantization.json")
