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
    str, typer.Option(help="Handling of unknown costs: refuse, or bound (energies are lower bounds).")
]

Oversized = Annotated[
    str, typer.Option(help="Handling of a neuron that exceeds a core: refuse, or place as if it fitted.")
]

Overflowing = Annotated[
    str, typer.Option(help="Handling of currents beyond 24 bits: raise an error, or wrap as Lava does.")
]

TimeSteps = Annotated[int | None, typer.Option(min=1, help="Time steps T of a .nir file without them.")]

InputMax = Annotated[int | None, typer.Option(min=1, help="Largest input of a .nir file without it.")]

StepSeconds = Annotated[
    float | None, typer.Option("--dt", help="Seconds of a step of a .nir file without them.")
]

Reset = Annotated[str | None, typer.Option(help="Reset of the neurons of a .nir file: zero or subtract.")]
