"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path,
    typer.Argument(help="A run's folder, a checkpoint, a compiled model (.h5) or a network in NIR (.nir)."),
]

Data = Annotated[
    str | None,
    typer.Option(
        help="A data set, such as digits, or a .npy file (N, T, ...); by default the run's, or digits."
    ),
]

Part = Annotated[str, typer.Option("--split", help="train or test, of a data set.")]

Encoder = Annotated[
    str | None, typer.Option(help="direct, rate, latency or frames; by default the data set's.")
]

Subset = Annotated[bool, typer.Option("--subset", help="Accept fewer samples than the data set has.")]

Unknown = Annotated[
    str, typer.Option(help="What an unknown cost does: refuse, or bound (energies are lower bounds).")
]

Oversized = Annotated[
    str, typer.Option(help="A neuron that needs more than a core has: refuse, or place as if it fitted.")
]

Overflowing = Annotated[
    str, typer.Option(help="Where a current leaves its 24 bits: raise an error, or wrap as Lava does.")
]

TimeSteps = Annotated[int | None, typer.Option(min=1, help="T, where a .nir file does not say it.")]

InputMax = Annotated[
    int | None, typer.Option(min=1, help="Largest input, where a .nir file does not say it.")
]

StepSeconds = Annotated[
    float | None, typer.Option("--dt", help="Seconds a step, where a .nir file does not say it.")
]

Reset = Annotated[
    str | None, typer.Option(help="What a spike does to the potential in a .nir file: zero or subtract.")
]
