"""Options that several commands have."""

from typing import Annotated

import typer

Data = Annotated[str, typer.Option(help="A data set, such as digits or mnist, or a .npy file (N, T, ...).")]

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
