"""The place of a layer in a network of stock blocks that is being converted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The output of a layer, which the next one takes.

    Attributes
    ----------
    source : str
        Name of the layer.
    shape : tuple of int
        Shape without batch and time.
    bound : int
        Largest value.
    lag : int
        Steps that it comes late by ``delay_shift``.
    rounds : bool
        Whether it may be a fraction in training, behind a dropout.
    spikes : bool
        Whether it has been through neurons.
    """

    source: str
    shape: tuple[int, ...]
    bound: int = 1
    lag: int = 0
    rounds: bool = False
    spikes: bool = False
